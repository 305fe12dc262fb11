"""Who is at the other end of a request."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Principal:
    """A proven identity; `anonymous` has proven nothing and has an empty name."""

    kind: Literal["node", "user", "service", "anonymous"]
    name: str
