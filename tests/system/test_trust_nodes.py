"""What a node may do with its certificate: be itself, and fetch what its apps need."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cloud.pki.enrolment import Policy
from edge.fetch import ArtifactCache, FetchError, LastingError
from edge.identity import enrol
from edge.identity.keeper import Keeper
from edge.net.errors import StatusError
from edge.net.websocket import WebSocket
from edge.wire.events import Closed, Event, Welcomed
from edge.wire.limits import FRAME_LIMIT
from edge.wire.messages import CloseCode, Module
from edge.wire.session import NodeSession
from tests.support.hub import hello
from tests.support.pki import DialClock, TrustCloud, run, trust_cloud
from tests.support.registry import digest_of

pytestmark = pytest.mark.timeout(600)
NODES = "/apis/skerry.dev/v1alpha1/nodes"
INSTANCES = "/apis/skerry.dev/v1alpha1/namespaces/default/appinstances"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory):
    with trust_cloud(tmp_path_factory.mktemp("trust")) as running:
        yield running


class Session:
    """A node's session over TLS, by hand."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.session = NodeSession()

    @classmethod
    async def open(cls, cloud: TrustCloud, keeper: Keeper) -> "Session":
        url = f"wss{cloud.url.removeprefix('https')}/connect/v1alpha1"
        return cls(
            await WebSocket.connect(url, subprotocol="skerry.v1", within=10, tls=keeper.tls())
        )

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def say(self, node: str, boot_id: str = "boot", **labels: str) -> None:
        now = asyncio.get_running_loop().time()
        self.session.open(hello(node, boot_id=boot_id, labels=labels), now)
        for frame in self.session.outgoing():
            await self.socket.send(frame)

    async def until(self, kind: type[Event]) -> Event:
        """The next event of a kind; the session answers meanwhile as it must."""
        async with asyncio.timeout(20):
            while True:
                data = await self.socket.receive(FRAME_LIMIT)
                assert data is not None, "the cloud hung up"
                events = self.session.receive(data, asyncio.get_running_loop().time())
                for frame in self.session.outgoing():
                    await self.socket.send(frame)
                for event in events:
                    if isinstance(event, kind):
                        return event


def test_a_session_needs_the_certificate_of_a_node(cloud: TrustCloud):
    assert cloud.operator.get("/connect/v1alpha1").status_code == 401

    async def dial() -> None:
        url = f"wss{cloud.url.removeprefix('https')}/connect/v1alpha1"
        context = enrol.context(cloud.ca)
        await WebSocket.connect(url, subprotocol="skerry.v1", within=10, tls=context)

    with pytest.raises(StatusError) as caught:
        run(dial())
    assert caught.value.status == 401
    assert "show the certificate" in str(caught.value)


def test_a_node_cannot_speak_for_another(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path, "honest")

    async def lie() -> Event:
        async with await Session.open(cloud, keeper) as session:
            await session.say("victim")
            return await session.until(Closed)

    closed = run(lie())
    assert isinstance(closed, Closed)
    assert closed.code is CloseCode.REFUSED
    assert "certificate of honest" in closed.reason
    assert cloud.operator.get(f"{NODES}/victim").status_code == 404


def test_the_labels_of_a_node_come_from_its_token_not_from_its_mouth(
    cloud: TrustCloud, tmp_path: Path
):
    keeper = cloud.keeper(tmp_path, "modest", token=cloud.token(labels={"site": "north"}))
    run(keeper.prepare())

    async def boast() -> None:
        async with await Session.open(cloud, keeper) as session:
            await session.say("modest", site="vault")
            await session.until(Welcomed)

    run(boast())
    found = cloud.operator.get(f"{NODES}/modest").json()
    assert found["metadata"]["labels"] == {"site": "north"}


def test_a_revoked_node_is_sent_away_at_once_and_stays_away(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path, "lost")

    async def live() -> Event:
        async with await Session.open(cloud, keeper) as session:
            await session.say("lost")
            await session.until(Welcomed)
            ended = asyncio.create_task(session.until(Closed))
            await asyncio.to_thread(cloud.post, "nodes/lost/revoke")
            return await ended

    closed = run(live())
    assert isinstance(closed, Closed)
    assert "revoked" in closed.reason
    with pytest.raises(StatusError):
        run(Session.open(cloud, keeper))
    with cloud.as_node(keeper) as node:
        assert node.get("/join/v1alpha1/trust").status_code == 401


def test_a_live_session_ends_with_its_certificate(tmp_path: Path):
    clock = DialClock()
    with trust_cloud(tmp_path / "cloud", clock, expiry_seconds=0.05) as cloud:
        keeper = cloud.joined(tmp_path / "node", "old")

        async def live() -> Event:
            async with await Session.open(cloud, keeper) as session:
                await session.say("old")
                await session.until(Welcomed)
                clock.ahead = Policy().node_life + timedelta(minutes=1)
                return await session.until(Closed)

        closed = run(live())
    assert isinstance(closed, Closed)
    assert "certificate of this connection has ended" in closed.reason


def test_a_kept_connection_is_good_until_its_certificate_ends(tmp_path: Path):
    clock = DialClock()
    with trust_cloud(tmp_path / "cloud", clock) as cloud:
        keeper = cloud.joined(tmp_path / "node", "old")
        with cloud.as_node(keeper) as connection:
            assert connection.get("/join/v1alpha1/trust").status_code == 200
            clock.ahead = Policy().node_life + timedelta(minutes=1)
            refused = connection.get("/join/v1alpha1/trust")
    assert refused.status_code == 401
    assert "it has ended" in refused.text


def test_two_boards_with_one_identity_are_told_apart_and_reported(
    cloud: TrustCloud, tmp_path: Path
):
    keeper = cloud.joined(tmp_path, "twin")

    async def take_turns() -> None:
        async with AsyncExitStack() as stack:
            for boot_id in ("first", "second", "first"):
                session = await stack.enter_async_context(await Session.open(cloud, keeper))
                await session.say("twin", boot_id)
                await session.until(Welcomed)

    run(take_turns())
    status = cloud.operator.get(f"{NODES}/twin").json()["status"]
    said = {condition["type"]: condition for condition in status["conditions"]}
    assert said["DuplicateIdentity"]["status"] == "True"
    assert "skerry node revoke" in said["DuplicateIdentity"]["message"]


def test_a_board_that_starts_anew_is_no_twin(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path, "single")

    async def reboot() -> None:
        async with AsyncExitStack() as stack:
            for boot_id in ("first", "second", "third"):
                session = await stack.enter_async_context(await Session.open(cloud, keeper))
                await session.say("single", boot_id)
                await session.until(Welcomed)

    run(reboot())
    status = cloud.operator.get(f"{NODES}/single").json()["status"]
    assert "DuplicateIdentity" not in {condition["type"] for condition in status["conditions"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", NODES),
        ("GET", "/apis/skerry.dev/v1alpha1"),
        ("DELETE", f"{NODES}/other"),
        ("GET", "/apis/identity.skerry.dev/v1alpha1/tokens"),
        ("POST", "/apis/identity.skerry.dev/v1alpha1/tokens"),
        ("GET", "/apis/telemetry.skerry.dev/v1alpha1/readings"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/thermo/manifests/1"),
        ("POST", "/v2/thermo/blobs/uploads/"),
        ("GET", f"/v2/thermo/blobs/sha256:{'0' * 64}"),
        ("GET", "/metrics"),
    ],
)
def test_a_node_reaches_nothing_of_the_api(
    cloud: TrustCloud, tmp_path_factory: pytest.TempPathFactory, method: str, path: str
):
    directory = tmp_path_factory.getbasetemp() / "nosy"
    keeper = cloud.keeper(directory, "nosy", token=cloud.token())
    run(keeper.prepare())
    with cloud.as_node(keeper) as node:
        assert node.request(method, path).status_code == 403


def test_a_node_fetches_the_artifacts_of_its_own_apps_and_no_others(
    cloud: TrustCloud, tmp_path: Path
):
    mine, foreign = (
        cloud.joined(tmp_path / "mine", "mine"),
        cloud.joined(tmp_path / "f", "foreign"),
    )
    wasm = b"\0asm\1\0\0\0" + b"\0\4\3mine"
    digest = digest_of(wasm)
    pushed = cloud.operator.post(f"/v2/thermo/blobs/uploads/?digest={digest}", content=wasm)
    assert pushed.status_code == 201, pushed.text
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "AppInstance",
        "metadata": {"name": "thermo.mine"},
        "spec": {
            "app": "thermo",
            "node": "mine",
            "desired": {
                "manifest": {"name": "thermo", "version": "1.0.0"},
                "module": {"repository": "thermo", "digest": digest, "size": len(wasm)},
            },
        },
    }
    made = cloud.operator.post(INSTANCES, json=body)
    assert made.status_code == 201, made.text
    module = Module(repository="thermo", digest=digest, size=len(wasm))

    def fetch(keeper: Keeper, directory: Path) -> bytes:
        cache = ArtifactCache(directory, 1 << 20, tls=keeper.tls)
        return run(cache.fetch(cloud.url, module)).read_bytes()

    assert fetch(mine, tmp_path / "cache-1") == wasm
    with pytest.raises(FetchError, match="403"):
        fetch(foreign, tmp_path / "cache-2")


def test_a_node_fetches_the_images_and_patches_of_its_own_microcontrollers(
    cloud: TrustCloud, tmp_path: Path
):
    mine = cloud.joined(tmp_path / "wired", "wired")
    image, patch = b"an image", b"a patch"
    digest = digest_of(image)
    for blob in (image, patch):
        where = f"/v2/valve/blobs/uploads/?digest={digest_of(blob)}"
        pushed = cloud.operator.post(where, content=blob)
        assert pushed.status_code == 201, pushed.text
    manifest = {"name": "valve", "version": "1.0.0", "board": "mps2", "digest": digest, "size": 8}
    body = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "FirmwareInstance",
        "metadata": {"name": "valve.wired"},
        "spec": {
            "firmware": "valve",
            "node": "wired",
            "desired": {
                "manifest": manifest,
                "image": {"repository": "valve", "digest": digest, "size": 8},
                "patches": [{"base": digest, "digest": digest_of(patch), "size": 7}],
            },
        },
    }
    where = INSTANCES.replace("appinstances", "firmwareinstances")
    made = cloud.operator.post(where, json=body)
    assert made.status_code == 201, made.text
    cache = ArtifactCache(tmp_path / "cache", 1 << 20, tls=mine.tls)
    module = Module(repository="valve", digest=digest, size=8)
    assert run(cache.fetch(cloud.url, module)).read_bytes() == image
    module = Module(repository="valve", digest=digest_of(patch), size=7)
    assert run(cache.fetch(cloud.url, module)).read_bytes() == patch
    other = cloud.joined(tmp_path / "bare", "bare")
    theirs = ArtifactCache(tmp_path / "theirs", 1 << 20, tls=other.tls)
    with pytest.raises(LastingError, match="403"):
        run(theirs.fetch(cloud.url, module))


@pytest.mark.parametrize(
    "path", [NODES, f"/v2/thermo/blobs/sha256:{'0' * 64}", "/v2/_catalog", "/metrics"]
)
def test_whoever_shows_neither_certificate_nor_token_reaches_nothing(cloud: TrustCloud, path: str):
    with httpx.Client(base_url=cloud.url, verify=enrol.context(cloud.ca), timeout=20) as nobody:
        assert nobody.get(path).status_code == 401
        assert nobody.get("/join/v1alpha1/trust").status_code == 200


def test_a_certificate_that_the_ledger_does_not_know_counts_for_nothing(
    cloud: TrustCloud, tmp_path: Path
):
    keeper = cloud.joined(tmp_path, "ghost")
    for serial, node in list(cloud.enrolment._valid.items()):
        if node == "ghost":
            del cloud.enrolment._valid[serial]
    with cloud.as_node(keeper) as node:
        assert node.get("/join/v1alpha1/trust").status_code == 401
