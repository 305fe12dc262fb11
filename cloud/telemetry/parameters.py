"""What the URL of a question says, checked: unknown parameters are errors, never ignored."""

import base64
import binascii
from collections.abc import Collection

import msgspec
from starlette.requests import Request

from cloud.errors import BadRequest
from cloud.telemetry.queries import TIME_END, Position, Span, Which
from cloud.telemetry.times import parse_time

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
"""Readings, intervals or lines in one answer: about 2 MB of JSON."""
NODES_LIMIT = 1000
"""Nodes named in one question."""


class Parameters:
    """The query of a request; BadRequest for a name that is not in `known`."""

    def __init__(self, request: Request, known: Collection[str]) -> None:
        self._query = request.query_params
        for name in self._query:
            if name not in known:
                raise BadRequest(
                    f"{name}: not understood here; there are {', '.join(sorted(known))}"
                )

    def text(self, name: str) -> str:
        """The parameter, empty when absent."""
        return self._query.get(name, "")

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, the first when absent."""
        text = self._query.get(name, choices[0])
        if text not in choices:
            raise BadRequest(f"{name}: {text!r:.40} is not one of {', '.join(choices)}")
        return text

    def flag(self, name: str) -> bool:
        """Whether the parameter is true; false when absent."""
        return self.choice(name, ("false", "true", "0", "1")) in {"true", "1"}

    def number(self, name: str, default: int, largest: int) -> int:
        """A whole number up to `largest`."""
        text = self._query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or int(text[:20]) > largest:
            raise BadRequest(f"{name}: {text!r:.40} is not a whole number up to {largest}")
        return int(text)

    def which(self) -> Which:
        """`node` (repeatable), `app`, `name`."""
        nodes = tuple(self._query.getlist("node"))
        if len(nodes) > NODES_LIMIT:
            raise BadRequest(f"node: at most {NODES_LIMIT} in one question")
        return Which(nodes=nodes, app=self.text("app"), name=self.text("name"))

    def span(self, now_ns: int) -> Span:
        """`from` and `to`; everything when absent."""
        start, end = self.text("from"), self.text("to")
        return Span(
            parse_time("from", start, now_ns) if start else 0,
            min(parse_time("to", end, now_ns), TIME_END) if end else TIME_END,
        )

    def position(self) -> Position | None:
        """What `continue` says."""
        text = self.text("continue")
        if not text:
            return None
        try:
            return Position(
                *msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[int, int])
            )
        except (binascii.Error, ValueError):
            raise BadRequest("continue: not a token of this service; ask anew") from None


def token(position: Position) -> str:
    """The inverse of `Parameters.position`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(tuple(position))).decode()
