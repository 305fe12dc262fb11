"""How values look in a Table."""

from datetime import datetime

_UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_NEXT = 2
"""Two of a unit and more are shown in it; below, the smaller unit says more."""


def age(since: datetime | None, now: datetime) -> str:
    """Time from `since` to `now` in one unit, as kubectl shows it: `90s`, `14m`, `3d`."""
    if since is None:
        return "<unknown>"
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in _UNITS:
        if seconds >= _NEXT * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
