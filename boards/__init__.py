"""Boards as data, and getting an image onto a card.

Rules: nothing else of ours is imported here; board files are read, never executed.
"""
