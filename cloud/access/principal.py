"""Who a request comes from."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Principal:
    """The proven source of a request; `name` is empty for anonymous ones."""

    kind: Literal["node", "user", "service", "anonymous"]
    name: str
