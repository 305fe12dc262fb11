"""Disk images: made without root from pinned packages, the same bytes every time."""
