"""A signature covers the files that a shared module runs; what was signed before files is good."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge.gatekeeper import Gatekeeper, _key, _question
from edge.store import Store
from edge.trust.errors import Reason, Refused
from edge.trust.judge import judge
from edge.trust.manifest import (
    SignedFiles,
    capabilities,
    encode_manifest,
    release_number,
    signed_files,
)
from edge.verdict import Answer, Question
from edge.verifier import answer
from edge.wire.messages import DesiredApp
from tests.support.specs import desired_app
from tests.support.trust import NOW, asked, root, signature, signed_root, statement

FILES = SignedFiles(digest="sha256:" + "f" * 64, size=10)
OTHER = SignedFiles(digest="sha256:" + "e" * 64, size=10)
LONGER = SignedFiles(digest="sha256:" + "f" * 64, size=11)
STATEMENT_OF_BEFORE = (
    "a8646b696e6463617070646e616d656b746865726d6f6d657465726473697a651864666469676573"
    "7478477368613235363a616161616161616161616161616161616161616161616161616161616161"
    "61616161616161616161616161616161616161616161616161616161616161616161676578706972"
    "6573f66776657273696f6e1b000000e8d4a510006c6361706162696c6974696573806e646f776e67"
    "726164655f66726f6df6"
)
"""`encode_manifest(statement())` of the code that knew no files."""
KEY_OF_BEFORE = "d918d29ce8de04a7844546e5bb1d44bb79cb9a2780a6dcf96a37fd0874ab3e41"
"""Under what such a node remembers that it admitted `desired_app(signature=b"s")`."""


def test_an_app_with_the_files_that_were_signed_may_run():
    data = signature(statement(files=FILES))
    assert judge(root(), data, asked(files=FILES), NOW).files == FILES


@pytest.mark.parametrize(
    ("signed", "wanted"),
    [
        ({"files": FILES}, {"files": OTHER}),
        ({"files": FILES}, {"files": LONGER}),
        ({"files": FILES}, {}),
        ({}, {"files": FILES}),
    ],
    ids=["other files", "another size", "the bare runtime", "files that nobody signed"],
)
def test_an_app_with_other_files_than_were_signed_may_not(
    signed: dict[str, Any], wanted: dict[str, Any]
):
    with pytest.raises(Refused, match="files: the signature says") as caught:
        judge(root(), signature(statement(**signed)), asked(**wanted), NOW)
    assert caught.value.reason is Reason.MISMATCH


def test_what_was_signed_before_files_existed_is_the_same_to_the_byte():
    assert encode_manifest(statement()).hex() == STATEMENT_OF_BEFORE


def test_what_a_node_admitted_before_files_existed_stays_admitted():
    question = _question(desired_app(signature=b"s"), b"root", NOW)
    assert _key(question).hex() == KEY_OF_BEFORE


def app(name: str = "thermometer", version: str = "1.0.0", files: str = "f") -> DesiredApp:
    """A signed app in Python; all of them have one module."""
    fields: dict[str, Any] = {
        "manifest": {"runtime": "python"},
        "files": {"repository": name, "digest": "sha256:" + files * 64, "size": 10},
    }
    spec = desired_app(name, version, **fields)
    made = statement(
        name=name,
        digest=spec.module.digest,
        version=release_number(version),
        capabilities=capabilities(spec.manifest),
        files=signed_files(spec.files),
    )
    return desired_app(name, version, signature=signature(made), **fields)


@pytest.fixture
def keeper(tmp_path: Path):
    (tmp_path / "root.cose").write_bytes(signed_root(root()))

    async def ask(question: Question) -> Answer:
        return answer(question)

    async def no_roots(_version: int) -> list[bytes]:
        return []

    with Store.open(tmp_path / "store") as store:
        yield Gatekeeper(
            store.meta,
            root_file=tmp_path / "root.cose",
            allow_unsigned=False,
            ask=ask,
            newer_roots=no_roots,
            now_ns=lambda: NOW * 10**9,
        )


def test_a_changed_file_is_another_app_to_the_gatekeeper(keeper: Gatekeeper):
    good = app()
    asyncio.run(keeper.admit(good))
    changed = desired_app(
        manifest={"runtime": "python"},
        files={"repository": "thermometer", "digest": "sha256:" + "e" * 64, "size": 10},
        signature=good.signature,
    )
    with pytest.raises(Exception, match="files: the signature says") as caught:
        asyncio.run(keeper.admit(changed))
    assert caught.value.reason == "SignatureMismatch"


def test_apps_that_share_a_module_have_floors_of_their_own(keeper: Gatekeeper):
    newer, other = app(version="2.0.0"), app("hygrometer", files="f")
    for spec in (newer, other):
        asyncio.run(keeper.admit(spec))
    keeper.proven(newer)
    asyncio.run(keeper.admit(other))
    with pytest.raises(Exception, match=r"older than 2\.0\.0"):
        asyncio.run(keeper.admit(app(version="1.0.0", files="e")))
