"""Certificates that follow one another: in time, after absence, across power cuts, across CAs."""

import json
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cloud.pki.certificates import read_csr
from edge.identity import enrol
from edge.identity.child import work
from edge.identity.keeper import Keeper
from edge.identity.slots import Slots, facts_of
from edge.net.errors import LinkLostError, NetError, StatusError
from edge.wire.joining import ROOT, Challenge, ChallengeRequest, Issued, ReenrolRequest, Trust
from tests.support.pki import DialClock, KnownTime, TrustCloud, run, trust_cloud
from tests.support.system import ROOT as PROJECT

pytestmark = pytest.mark.timeout(600)
DAY_NS = 86_400 * 10**9


def serial(keeper: Keeper) -> str:
    assert keeper.facts is not None
    return keeper.facts.serial


async def as_node(cloud: TrustCloud, keeper: Keeper) -> Trust:
    return await enrol.ask(f"{cloud.url}{ROOT}/trust", Trust, keeper.tls())


def test_a_certificate_is_renewed_in_time_tried_and_only_then_the_old_one_dropped(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        time = KnownTime()
        keeper = cloud.joined(tmp_path / "n", time=time)
        first = serial(keeper)
        run(keeper.prepare())
        assert serial(keeper) == first, "it is not time yet"
        time.now_ns += 60 * DAY_NS
        run(keeper.prepare())
        assert serial(keeper) != first
        files = sorted(path.name for path in (tmp_path / "n").iterdir())
        assert files == ["active", "b.pem", "trust.pem"]
        run(as_node(cloud, keeper))


def test_a_cloud_that_is_away_costs_no_identity(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        time = KnownTime()
        keeper = cloud.joined(tmp_path / "n", time=time)
        first = serial(keeper)
    time.now_ns += 60 * DAY_NS
    run(keeper.prepare())
    assert serial(keeper) == first
    assert Slots(tmp_path / "n").candidate() is None


def test_a_new_certificate_that_the_cloud_refuses_does_not_replace_the_old(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = cloud.joined(tmp_path / "n")
        first = serial(keeper)
        foreign = cloud.joined(tmp_path / "foreign", "foreign")
        slots = Slots(tmp_path / "n")
        shutil.copy(tmp_path / "foreign" / "a.pem", slots.next_slot())
        cloud.post("nodes/foreign/revoke")
        with pytest.raises(StatusError):
            run(keeper.prepare())
        assert slots.candidate() is None
        run(keeper.prepare())
        assert serial(keeper) == first
        del foreign


def test_a_node_that_was_away_past_its_end_comes_back_by_its_key(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = expired(tmp_path, cloud)
        first = serial(keeper)
        with pytest.raises(NetError) as broken:
            run(as_node(cloud, keeper))
        run(keeper.prepare())
        assert serial(keeper) == first, "the node does not know the time yet"
        keeper.failed(broken.value)
        run(keeper.prepare())
        assert serial(keeper) != first, "the time came from the cloud, the proof from the key"
        run(as_node(cloud, keeper))


def active(tmp_path: Path) -> Path:
    found = Slots(tmp_path / "n").active()
    assert found is not None
    return found


def expired(tmp_path: Path, cloud: TrustCloud) -> Keeper:
    """A node whose certificate ended ten days ago, and that does not know the time."""
    cloud.joined(tmp_path / "n")
    slots = Slots(tmp_path / "n")

    async def age() -> None:
        csr = (await work("request", slots.pending, "barn"))["csr"]
        now, cloud.enrolment._clock = cloud.enrolment._clock, DialClock(days=-100)
        issued = await cloud.enrolment._issue("barn", read_csr(csr), lambda _: True)
        cloud.enrolment._clock = now
        assert issued is not None
        said = {"node": "barn", "certificate": issued.certificate, "trust": cloud.ca}
        await work("keep", slots.pending, slots.next_slot(), said=said)

    cloud.inside(age())
    slots.promote()
    return cloud.keeper(tmp_path / "n")


def test_a_policy_of_no_return_is_kept(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud", reenrol=timedelta(days=5)) as cloud:
        keeper = expired(tmp_path, cloud)
        keeper.failed(LinkLostError())
        with pytest.raises(StatusError, match="ended more than 5 days ago"):
            run(keeper.prepare())


def test_a_revoked_node_does_not_come_back_by_its_key(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = expired(tmp_path, cloud)
        cloud.post("nodes/barn/revoke")
        keeper.failed(LinkLostError())
        with pytest.raises(StatusError, match="revoked"):
            run(keeper.prepare())


def test_an_expired_certificate_without_its_key_proves_nothing(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        expired(tmp_path, cloud)
        thief = tmp_path / "thief.pem"

        async def steal() -> None:
            tls = cloud.keeper(tmp_path / "n")._stranger()
            url = f"{cloud.url}{ROOT}"
            challenge = await enrol.ask(f"{url}/challenge", Challenge, tls, ChallengeRequest())
            csr = (await work("request", thief, "barn"))["csr"]
            seen = active(tmp_path).read_text()
            certificate = seen[seen.index("-----BEGIN CERTIFICATE") :]
            thief.write_text(thief.read_text() + certificate)
            proven = await work("prove", thief, said={"nonce": challenge.nonce, "csr": csr})
            wish = ReenrolRequest(nonce=challenge.nonce, csr=csr, **proven)
            await enrol.ask(f"{url}/reenrol", Issued, tls, wish)

        with pytest.raises(StatusError, match="not by the key"):
            run(steal())


def test_a_proof_is_good_once(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = expired(tmp_path, cloud)

        async def replay() -> None:
            tls, url = keeper._stranger(), f"{cloud.url}{ROOT}"
            challenge = await enrol.ask(f"{url}/challenge", Challenge, tls, ChallengeRequest())
            csr = (await work("request", tmp_path / "k.pem", "barn"))["csr"]
            said = {"nonce": challenge.nonce, "csr": csr}
            proven = await work("prove", active(tmp_path), said=said)
            wish = ReenrolRequest(nonce=challenge.nonce, csr=csr, **proven)
            await enrol.ask(f"{url}/reenrol", Issued, tls, wish)
            with pytest.raises(StatusError, match="nonce"):
                await enrol.ask(f"{url}/reenrol", Issued, tls, wish)

        run(replay())


CUT = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import edge.identity.slots as slots
import edge.identity.keeper as keepers
from tests.support.pki import KnownTime

left = int(sys.argv[3])
def counted(real):
    def call(*args, **how):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **how)
    return call
slots.write_private = counted(slots.write_private)
slots.Path.unlink = counted(slots.Path.unlink)
real_work = keepers.work
async def work(*args, **said):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return await real_work(*args, **said)
keepers.work = work
time = KnownTime(int(sys.argv[5]))
settings = keepers.JoinSettings("barn", sys.argv[1])
keeper = keepers.Keeper(settings, Path(sys.argv[2]), time, lambda a, b: a)
asyncio.run(keeper.prepare())
"""
STEPS = 8
"""More than a renewal has writes, children and deletions."""


@pytest.mark.slow
def test_a_power_cut_between_any_two_steps_of_a_renewal_leaves_an_identity(tmp_path: Path):
    ends: set[int] = set()
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = cloud.joined(tmp_path / "n")
        assert keeper.facts is not None
        later = keeper.facts.not_before_ns + 60 * DAY_NS
        cutting = [sys.executable, "-c", CUT]
        for step in range(STEPS):
            cut = tmp_path / f"cut-{step}"
            shutil.copytree(tmp_path / "n", cut)
            done = subprocess.run(
                [*cutting, cloud.url, str(cut), str(step), str(PROJECT), str(later)],
                timeout=60,
                check=False,
                cwd=PROJECT,
            )
            ends.add(done.returncode)
            keeper = cloud.keeper(cut)
            run(keeper.prepare())
            run(as_node(cloud, keeper))
            assert keeper.facts is not None
            assert keeper.facts.node == "barn"
            assert Slots(cut).candidate() is None
    assert ends == {0, -signal.SIGKILL}, "some were cut, and the last ones went through"


def test_the_ca_changes_under_a_node_that_is_here_and_one_that_is_away(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        time = KnownTime()
        here = cloud.joined(tmp_path / "here", "here", time=time)
        away = cloud.joined(tmp_path / "away", "away")
        first = cloud.pin
        cloud.post("ca/rotate", {})
        refused = cloud.operator.post("/apis/identity.skerry.dev/v1alpha1/ca/activate", json={})
        assert refused.status_code == 409
        assert "away" in refused.text
        assert "here" in refused.text

        async def learn() -> None:
            await here._learn_trust(here.tls())

        run(learn())
        assert Slots(tmp_path / "here").trust().count("BEGIN") == 2
        assert cloud.operator.get("/apis/identity.skerry.dev/v1alpha1/ca").json()["lagging"] == [
            "away"
        ]
        cloud.post("ca/activate", {"force": True})
        assert cloud.pin != first
        run(as_node(cloud, here))
        run(as_node(cloud, away))  # the old CA vouches for the new one
        time.now_ns += 60 * DAY_NS
        run(here.prepare())
        cloud.post("ca/retire", {"force": True})
        run(as_node(cloud, here))
        with pytest.raises(NetError):
            run(as_node(cloud, away))
        log = cloud.operator.get("/apis/access.skerry.dev/v1alpha1/audit?kind=ca").json()["items"]
        turns = [tuple(json.loads(each[at]) for at in ("before", "after")) for each in log[-3:]]
        old, new = (pin.removeprefix("sha256:") for pin in (first, cloud.pin))
        assert turns == [
            (
                {"signer": old, "incoming": "", "outgoing": []},
                {"signer": old, "incoming": new, "outgoing": []},
            ),
            (
                {"signer": old, "incoming": new, "outgoing": []},
                {"signer": new, "incoming": "", "outgoing": [old]},
            ),
            (
                {"signer": new, "incoming": "", "outgoing": [old]},
                {"signer": new, "incoming": "", "outgoing": []},
            ),
        ]


def test_the_ca_outlives_the_service(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = cloud.joined(tmp_path / "n")
        pin = cloud.pin
    with trust_cloud(tmp_path / "cloud") as cloud:
        assert cloud.pin == pin
        again = cloud.keeper(tmp_path / "n")
        run(as_node(cloud, again))
        del keeper
    directory = tmp_path / "cloud" / "pki"
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_slot_tells_what_it_holds(tmp_path: Path):
    with trust_cloud(tmp_path / "cloud") as cloud:
        keeper = cloud.joined(tmp_path / "n")
        facts = facts_of(tmp_path / "n" / "a.pem")
        assert facts == keeper.facts
        assert facts.not_after_ns - facts.not_before_ns == 90 * DAY_NS + 3600 * 10**9
