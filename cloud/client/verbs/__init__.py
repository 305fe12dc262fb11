"""The client's part of the command line."""
