"""Joining: what a token allows, what it does not, and what stands in between."""

import json
import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.pki import certificates
from edge.identity import enrol
from edge.identity.child import work
from edge.net.errors import BadPeerError, ConnectError, NetError, StatusError
from edge.net.stream import Tls
from edge.wire.joining import ROOT, Issued, JoinRequest, JoinToken, Trust
from tests.support.pki import OPERATORS, Impostor, KnownTime, TrustCloud, run, trust_cloud

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory):
    with trust_cloud(tmp_path_factory.mktemp("trust")) as running:
        yield running


def refusal(cloud: TrustCloud, directory: Path, node: str, **how) -> StatusError:
    with pytest.raises(StatusError) as caught:
        run(cloud.keeper(directory, node, **how).prepare())
    return caught.value


def test_a_token_and_nothing_else_makes_a_node(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path, "plain")
    assert keeper.facts is not None
    assert keeper.facts.node == "plain"
    private = [path for path in tmp_path.iterdir() if b"PRIVATE" in path.read_bytes()]
    assert [path.name for path in private] == ["a.pem"]
    assert stat.S_IMODE(private[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_token_with_another_secret_is_none(cloud: TrustCloud, tmp_path: Path):
    token = JoinToken.parse(cloud.token())
    guessed = replace(token, secret="a" * len(token.secret)).text()
    assert "not one of this cloud's" in str(
        refusal(cloud, tmp_path / "n", "guesser", token=guessed)
    )


def test_a_spent_token_is_worthless_and_its_replay_is_audited(cloud: TrustCloud, tmp_path: Path):
    token = cloud.token()
    run(cloud.keeper(tmp_path / "a", "first", token=token).prepare())
    assert "spent" in str(refusal(cloud, tmp_path / "b", "second", token=token))
    log = cloud.operator.get("/apis/access.skerry.dev/v1alpha1/audit")
    said = {(each["kind"], each["name"]): each for each in log.json()["items"]}
    made = said["jointokens", JoinToken.parse(token).id]
    assert (made["actor"], made["verb"]) == ("admin", "create")
    assert said["nodes", "first"]["actorKind"] == "node"
    assert said["nodes", "second"]["actorKind"] == "anonymous"
    assert "spent" in said["nodes", "second"]["reason"]
    assert JoinToken.parse(token).secret not in log.text


def test_what_operators_do_to_identities_is_audited_with_before_and_after(
    cloud: TrustCloud, tmp_path: Path
):
    keeper = cloud.keeper(tmp_path / "a", "watched", ca_pin=cloud.pin)
    with pytest.raises(StatusError, match="approve"):
        run(keeper.prepare())
    (waiting,) = cloud.operator.get(f"{OPERATORS}/requests").json()["items"]
    cloud.operator.post(f"{OPERATORS}/requests/watched/approve").raise_for_status()
    run(keeper.prepare())
    cloud.operator.post(f"{OPERATORS}/nodes/watched/revoke").raise_for_status()
    token = JoinToken.parse(cloud.token(pattern="shed-*")).id
    cloud.operator.delete(f"{OPERATORS}/tokens/{token}").raise_for_status()

    log = cloud.operator.get("/apis/access.skerry.dev/v1alpha1/audit").json()["items"]
    said = {
        (each["kind"], each["name"], each["verb"]): tuple(
            json.loads(each[state]) if state in each else None for state in ("before", "after")
        )
        for each in log
        if each["actor"] == "admin"
    }
    before, after = said["joinrequests", "watched", "create"]
    assert (before["approved"], after["approved"]) == (False, True)
    assert before["key"] == waiting["key"]
    before, after = said["identities", "watched", "create"]
    assert (len(before["serials"]), after["serials"]) == (1, [])
    before, after = said["jointokens", token, "delete"]
    assert (before["pattern"], after) == ("shed-*", None)


def test_an_answer_lost_on_the_way_costs_no_second_use(cloud: TrustCloud, tmp_path: Path):
    key, token = tmp_path / "key.pem", cloud.token()

    async def ask() -> str:
        csr = (await work("request", key, "unlucky"))["csr"]
        tls = Tls(enrol.context(cloud.ca), lambda: 0)
        wish = JoinRequest(node="unlucky", csr=csr, token=token)
        return (await enrol.ask(f"{cloud.url}{ROOT}/join", Issued, tls, wish)).certificate

    assert run(ask()) != run(ask())


def test_a_token_is_for_the_names_it_says(cloud: TrustCloud, tmp_path: Path):
    token = cloud.token(pattern="shed-*")
    assert "only for shed-*" in str(refusal(cloud, tmp_path / "a", "vault", token=token))
    run(cloud.keeper(tmp_path / "b", "shed-1", token=token).prepare())


def test_a_node_gets_the_labels_of_its_token_and_chooses_only_what_it_allows(
    cloud: TrustCloud, tmp_path: Path
):
    token = cloud.token(labels={"site": "north"}, claims=["row"], uses=2)
    wish = {"site": "vault"}
    assert "labels.site" in str(refusal(cloud, tmp_path / "a", "l1", token=token, labels=wish))
    keeper = cloud.keeper(tmp_path / "b", "l2", token=token, labels={"row": "3"})
    run(keeper.prepare())
    assert cloud.inside(cloud.enrolment.labels("l2")) == {"site": "north", "row": "3"}


def test_an_expired_token_and_a_deleted_one_are_worthless(cloud: TrustCloud, tmp_path: Path):
    token = cloud.token()
    cloud.operator.delete(f"/apis/identity.skerry.dev/v1alpha1/tokens/{JoinToken.parse(token).id}")
    assert "not one of this cloud's" in str(refusal(cloud, tmp_path, "late", token=token))
    with trust_cloud(tmp_path / "old", lambda: datetime.now(UTC) - timedelta(days=2)) as old:
        stale = old.token(expiresSeconds=60)
        old.enrolment._clock = lambda: datetime.now(UTC)  # the same service, two days later
        assert "expired" in str(refusal(old, tmp_path / "n", "late", token=stale))


def test_a_name_belongs_to_the_key_that_took_it(cloud: TrustCloud, tmp_path: Path):
    cloud.joined(tmp_path / "a", "taken")
    error = refusal(cloud, tmp_path / "b", "taken", token=cloud.token())
    assert error.status == 409
    assert "skerry node revoke taken" in str(error)
    cloud.post("nodes/taken/revoke")
    cloud.joined(tmp_path / "b", "taken")


def test_the_listing_of_tokens_holds_no_secret(cloud: TrustCloud):
    token = JoinToken.parse(cloud.token())
    said = cloud.operator.get("/apis/identity.skerry.dev/v1alpha1/tokens").text
    assert token.id in said
    assert token.secret not in said
    database = cloud.service._config.data_dir
    assert not any(token.secret.encode() in f.read_bytes() for f in database.glob("cloud.db*"))


def test_without_a_token_a_person_must_approve(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.keeper(tmp_path, "asks", ca_pin=cloud.pin)
    with pytest.raises(StatusError, match="skerry node approve asks"):
        run(keeper.prepare())
    with pytest.raises(StatusError, match="skerry node approve asks"):
        run(keeper.prepare())
    other = refusal(cloud, tmp_path / "other", "asks", ca_pin=cloud.pin)
    assert other.status == 409, "another key must not slip into the request"
    cloud.post("requests/asks/approve")
    run(keeper.prepare())
    assert keeper.facts is not None


def test_a_node_without_token_and_pin_says_what_it_needs(
    cloud: TrustCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "contexts"))
    with pytest.raises(ConnectError, match="skerry token create"):
        run(cloud.keeper(tmp_path).prepare())


def test_a_token_of_another_cloud_is_never_shown_to_this_one(cloud: TrustCloud, tmp_path: Path):
    foreign = JoinToken(id="abcdefgh", secret="a" * 32, pin="0" * 64).text()
    keeper = cloud.keeper(tmp_path, token=foreign)
    with pytest.raises(BadPeerError, match="shows another CA"):
        run(keeper.prepare())
    assert not (tmp_path / "trust.pem").exists()


def impostor_file(directory: Path) -> Path:
    now = datetime.now(UTC)
    ca = certificates.new_key()
    signer = certificates.Signer(ca, certificates.make_ca(ca, now))
    key = certificates.new_key()
    made = certificates.make_server(key, ["127.0.0.1"], signer, now, timedelta(days=1))
    path = directory / "impostor.pem"
    path.write_text(certificates.key_to_pem(key) + certificates.to_pem(made))
    return path


def test_somebody_in_between_who_shows_the_right_ca_still_never_hears_the_token(
    cloud: TrustCloud, tmp_path: Path
):
    token = cloud.token()
    body = cloud.operator.get(f"{ROOT}/trust").content
    with Impostor(impostor_file(tmp_path)) as other:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        other.answer = head.encode() + body
        keeper = cloud.keeper(tmp_path / "n", token=token)
        keeper._cloud = other.url
        with pytest.raises(ConnectError, match="certificate"):
            run(keeper.prepare())
        assert other.heard
        assert not any(JoinToken.parse(token).secret.encode() in said for said in other.heard)


def test_a_cloud_of_another_ca_is_not_believed(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path / "n", "wary")
    with (
        Impostor(impostor_file(tmp_path)) as other,
        pytest.raises(ConnectError, match="certificate"),
    ):
        run(enrol.ask(f"{other.url}/", Issued, keeper.tls()))


def test_a_nodes_certificate_cannot_serve_as_the_clouds(cloud: TrustCloud, tmp_path: Path):
    keeper = cloud.joined(tmp_path / "n", "greedy")
    with Impostor(tmp_path / "n" / "a.pem") as other, pytest.raises(ConnectError, match="purpose"):
        run(enrol.ask(f"{other.url}/", Issued, keeper.tls()))


@pytest.mark.parametrize(
    "csr",
    [
        "",
        "x" * 9000,
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ],
)
def test_what_is_no_request_for_a_certificate_is_refused_by_name(cloud: TrustCloud, csr: str):
    said = {"node": "odd", "csr": csr, "token": cloud.token()}
    answer = cloud.operator.post(f"{ROOT}/join", json=said)
    assert answer.status_code in {400, 403}
    assert "csr" in answer.text


def test_the_time_of_a_board_without_a_clock_does_not_keep_it_out(tmp_path: Path):
    def far_ahead() -> datetime:
        return datetime.now(UTC) + timedelta(days=365 * 40)

    authority_now = far_ahead()
    ca = certificates.new_key()
    signer = certificates.Signer(ca, certificates.make_ca(ca, authority_now))
    key = certificates.new_key()
    made = certificates.make_server(key, ["127.0.0.1"], signer, authority_now, timedelta(days=9))
    file = tmp_path / "server.pem"
    file.write_text(certificates.key_to_pem(key) + certificates.to_pem(made))
    trust = certificates.to_pem(signer.certificate)
    time = KnownTime()
    with Impostor(file) as server:
        body = b'{"certificate":"c","trust":["t"],"time_ns":1}'
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        behind = Tls(enrol.context(trust), time.proven_ns)
        assert run(enrol.ask(f"{server.url}/", Issued, behind)).time_ns == 1
        time.proved(int((authority_now + timedelta(days=10)).timestamp()) * 10**9)
        with pytest.raises(ConnectError, match="ended on"):
            run(enrol.ask(f"{server.url}/", Issued, behind))


def test_tls_1_2_is_refused_in_both_directions(cloud: TrustCloud, tmp_path: Path):
    old = enrol.context(cloud.ca)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ConnectError):
        run(enrol.ask(f"{cloud.url}{ROOT}/trust", Trust, Tls(old, lambda: 0)))
    new = Tls(enrol.context(cloud.ca), lambda: 0)
    assert run(enrol.ask(f"{cloud.url}{ROOT}/trust", Trust, new)).trust
    keeper = cloud.joined(tmp_path / "n", "modern")
    with (
        Impostor(impostor_file(tmp_path), ssl.TLSVersion.TLSv1_2) as server,
        pytest.raises(NetError, match="PROTOCOL_VERSION"),
    ):
        run(enrol.ask(f"{server.url}/", Issued, keeper.tls()))
