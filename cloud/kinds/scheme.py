"""What the generic parts (store, API) need to know of a kind, and the list of all kinds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic

import msgspec

from cloud.errors import Cause, NotFound
from cloud.kinds.meta import DEFAULT_NAMESPACE, NAME, O

Cell = str | int | bool


@dataclass(frozen=True)
class Column(Generic[O]):
    """One column of a Table; `priority` above 0 shows only with `-o wide`."""

    name: str
    value: Callable[[O, datetime], Cell]
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Kind(Generic[O]):
    """One kind. `validate` finds what types cannot say; `fields` are for field selectors.

    What clients send passes `incoming` (with what is stored) on its way in, and what they are shown
    passes `outgoing`: a kind that seals what it keeps does it there.
    """

    type: type[O]
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column[O], ...]
    namespaced: bool = True
    fields: Mapping[str, Callable[[O], str]] = field(default_factory=dict[str, Callable[[O], str]])
    validate: Callable[[O], Iterable[Cause]] = lambda _: ()
    incoming: Callable[[O, O | None], O] = lambda new, _: new
    outgoing: Callable[[O], O] = lambda obj: obj
    name_pattern: str = NAME
    name_rule: str = "lower-case letters, digits and '-', at most 63, not '-' at either end"

    @property
    def name(self) -> str:
        """`App`."""
        return self.type.__name__

    @property
    def singular(self) -> str:
        """`app`."""
        return self.name.lower()

    @property
    def default_namespace(self) -> str:
        """Where an object goes that names no namespace; empty for cluster-scoped kinds."""
        return DEFAULT_NAMESPACE if self.namespaced else ""

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[O]:
        """Reads what the store wrote."""
        return msgspec.json.Decoder(self.type)

    def convert(self, value: Any) -> O:
        """A typed object from JSON values; raises msgspec.ValidationError."""
        return msgspec.convert(value, self.type)


class Scheme:
    """All kinds of a service, by type and by plural."""

    def __init__(self, kinds: Iterable[Kind[Any]]) -> None:
        self.kinds = tuple(kinds)
        self._by_type = {kind.type: kind for kind in self.kinds}
        self._by_plural = {kind.plural: kind for kind in self.kinds}

    def of(self, type_: type[O]) -> Kind[O]:
        """The kind of a Struct."""
        return self._by_type[type_]

    def plural(self, plural: str) -> Kind[Any]:
        """The kind of a URL path; raises NotFound."""
        try:
            return self._by_plural[plural]
        except KeyError:
            have = ", ".join(sorted(self._by_plural))
            raise NotFound(f"there is no resource {plural!r}; there are {have}") from None
