"""The session that docs/wire-protocol.md shows byte by byte."""

from edge.wire.messages import DesiredItem, Entry, EntryKind, Hello
from edge.wire.session import CloudSession, NodeSession

PACK = bytes.fromhex("81a200 6474656d70 02 fb4035800000000000".replace(" ", ""))
"""A SenML pack: [{0: "temp", 2: 21.5}]."""


def example_frames() -> list[tuple[str, str, bytes]]:
    """(direction, name, frame) of a short session: greeting, one step, one reading, the end."""
    node, cloud = NodeSession(), CloudSession(0.0)
    frames: list[tuple[str, str, bytes]] = []

    def carry(name: str) -> None:
        for frame in node.outgoing():
            frames.append(("node → cloud", name, frame))
            cloud.receive(frame, 0.0)
        for frame in cloud.outgoing():
            frames.append(("cloud → node", name, frame))
            node.receive(frame, 0.0)

    hello = Hello(
        versions=(1, 1),
        node="shed",
        boot_id="b1",
        agent="0.1.0",
        epoch=7,
        last_seq=1,
        revision=0,
    )
    node.open(hello, 0.0)
    carry("hello")
    cloud.welcome(acked_seq=0, time_ns=1_800_000_000_000_000_000)
    carry("welcome")
    app = DesiredItem(kind="app", name="thermo", generation=3, spec=b"\xa0")
    cloud.send_desired(12, None, [app])
    carry("desired")
    node.ack_desired(12)
    carry("desired_ack")
    entry = Entry(
        seq=1,
        kind=EntryKind.SENML,
        app="thermo",
        stream="air",
        time_ns=1_800_000_000_000_000_000,
        payload=PACK,
    )
    node.send_telemetry([entry])
    carry("telemetry")
    cloud.ack_telemetry(7, 1)
    carry("telemetry_ack")
    return frames


def as_hex(direction: str, name: str, frame: bytes) -> str:
    """One block of the document."""
    rows = [frame[at : at + 24].hex(" ") for at in range(0, len(frame), 24)]
    return f"```hex {direction} {name}\n" + "\n".join(rows) + "\n```"
