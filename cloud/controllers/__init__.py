"""Loops that turn what is wanted into what each node shall have."""
