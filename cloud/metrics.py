"""Numbers about the service in Prometheus' text format (version 0.0.4).

Names follow Prometheus' conventions: `skerry_` first, counters end in `_total`, base units.
Concurrency: a counter belongs to the event loop; gauges are read when rendered.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counter:
    """A number that only rises."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count `amount` more."""
        self.value += amount


class Metrics:
    """All numbers of one service, in the order they were declared."""

    def __init__(self) -> None:
        self._metrics: dict[str, tuple[str, str, Callable[[], float]]] = {}

    def counter(self, name: str, text: str) -> Counter:
        """Declare a counter."""
        counter = Counter()
        self._declare(name, "counter", text, lambda: counter.value)
        return counter

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Declare a number that rises and falls; `read` gives its present value."""
        self._declare(name, "gauge", text, read)

    def render(self) -> str:
        """The exposition; one sample a metric."""
        return "".join(
            f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {read():.17g}\n"
            for name, (kind, text, read) in self._metrics.items()
        )

    def route(self) -> Route:
        """`GET /metrics`."""

        async def serve(_: Request) -> Response:
            return Response(self.render(), media_type=CONTENT_TYPE)

        return Route("/metrics", serve)

    def _declare(self, name: str, kind: str, text: str, read: Callable[[], float]) -> None:
        if name in self._metrics:
            raise ValueError(f"metric {name} is declared twice")
        self._metrics[name] = (kind, text, read)
