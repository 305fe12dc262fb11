"""The command line: a thin table of verbs, each imported when used."""
