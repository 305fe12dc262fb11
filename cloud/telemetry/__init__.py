"""Readings: stored exactly once, queried by node, app, name and time."""
