"""What identities cost: joining, a handshake, TLS in the agent's memory, renewals of one cloud.

Cloud and nodes share this machine's cores, so renewals a second are those of both ends together.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from time import perf_counter

from edge.identity import enrol
from edge.identity.child import work
from edge.identity.keeper import JoinSettings, Keeper
from edge.net.address import Address
from edge.net.stream import close_stream, open_stream
from edge.wire.joining import ROOT, Issued, RenewRequest
from tests.bench.processes import MB, Agent, Cloud, settled_kb
from tests.bench.report import Figure, Report, percentile
from tests.support.pki import KnownTime
from tests.support.system import skerry, until

JOINS = 5
HANDSHAKES = 200
RENEWALS = 500
AT_ONCE = 16
ROUNDS = 3


class Trust:
    """Joins, handshakes, memory, renewals."""

    name = "trust"

    def run(self, report: Report) -> None:
        """Against a cloud process of its own."""
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
            directory = Path(name)
            os.environ["SKERRY_CONTEXTS"] = str(directory / "contexts")
            with Cloud(directory / "cloud", secure=True) as cloud:
                token = _token(cloud)
                joins, keeper = asyncio.run(_joins(cloud.url, token, directory))
                report.add(Figure(self.name, "join: keys, pin, request, trial", "s", joins))
                times = asyncio.run(_handshakes(keeper, cloud.port))
                for share in (0.50, 0.99):
                    title = f"TLS 1.3 handshake, both certificates, p{share * 100:.0f}"
                    value = (percentile(times, share) * 1000,)
                    report.add(Figure(self.name, title, "ms", value))
                rates = tuple(asyncio.run(_renewals(cloud.url, keeper)) for _ in range(ROUNDS))
                note = f"{RENEWALS} renewals, {AT_ONCE} at once, a handshake each"
                report.add(Figure(self.name, "renewals", "/s", rates, "", note))
                secure = _memory(cloud.url, directory / "secure", token)
            with Cloud(directory / "plain") as cloud:
                plain = _memory(cloud.url, directory / "insecure", None)
        for kind in ("Pss", "Pss_Anon"):
            added = tuple((a[kind] - b[kind]) / MB for a, b in zip(secure, plain, strict=True))
            title = f"TLS in the agent, {kind} added"
            report.add(Figure(self.name, title, "MiB", added, "", "idle, no app, joined before"))


def _token(cloud: Cloud) -> str:
    made = skerry("token", "create", "--uses", "100", cloud=cloud.url)
    return made.stdout.strip()


async def _joins(url: str, token: str, directory: Path) -> tuple[tuple[float, ...], Keeper]:
    times: list[float] = []
    for number in range(JOINS):
        settings = JoinSettings(f"join-{number}", url, token)
        keeper = Keeper(settings, directory / f"join-{number}", KnownTime())
        began = perf_counter()
        await keeper.prepare()
        times.append(perf_counter() - began)
    return tuple(times), keeper


async def _handshakes(keeper: Keeper, port: int) -> list[float]:
    address = Address.parse(f"https://127.0.0.1:{port}", ("http", "https"))
    times: list[float] = []
    for _ in range(HANDSHAKES):
        began = perf_counter()
        _, writer = await open_stream(address, keeper.tls(), 10.0)
        times.append(perf_counter() - began)
        await close_stream(writer)
    return times


async def _renewals(url: str, keeper: Keeper) -> float:
    """Renewals a second; the requests are made before."""
    with tempfile.TemporaryDirectory() as name:
        csr = str((await work("request", Path(name) / "key.pem", "join"))["csr"])
    tls = keeper.tls()
    left = iter(range(RENEWALS))

    async def renew() -> None:
        for _ in left:
            await enrol.ask(f"{url}{ROOT}/renew", Issued, tls, RenewRequest(csr=csr))

    began = perf_counter()
    await asyncio.gather(*(renew() for _ in range(AT_ONCE)))
    return RENEWALS / (perf_counter() - began)


def _memory(url: str, directory: Path, token: str | None) -> list[dict[str, int]]:
    """Of agents that start with an identity, one after the other."""
    found: list[dict[str, int]] = []
    for _ in range(ROUNDS + 1):  # the first joins
        with Agent("memory", url, directory, token=token) as agent:
            until(lambda agent=agent: agent.status()["link"]["state"] == "Online", "online")  # type: ignore[misc]
            found.append(settled_kb(agent.pid))
    return found[1:]
