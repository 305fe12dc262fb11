"""Images over the network: checked by digest, continued where they broke off, by tag from a registry."""

import asyncio
import gzip
import hashlib
import lzma
import shutil
import ssl
import subprocess
from functools import partial

import pytest
from backports import zstd

from boards.errors import ImageError
from boards.flash import download
from boards.flash.download import TRIES, Access, Download, trusted
from boards.flash.packed import PackedImage, Passing
from boards.flash.source import open_source
from cloud.registry import media
from tests.support.blob_server import BlobServer
from tests.support.card_image import card_image
from tests.support.registry import app_config, descriptor, digest_of, registry_service

pytestmark = pytest.mark.anyio

PACKERS = {"xz": lzma.compress, "gz": gzip.compress, "zst": zstd.compress, "plain": bytes}


@pytest.fixture
def image(tmp_path) -> bytes:
    return card_image(tmp_path / "card.img").read_bytes()


def whole(source, size: int = 8 << 20) -> bytes:
    card = bytearray(size)
    try:
        for piece in source.pieces():
            card[piece.start : piece.end] = piece.data or bytes(piece.length)
    finally:
        source.close()
    return bytes(card)


def blob_url(server: BlobServer) -> str:
    return f"{server.url}/v2/images/blobs/{digest_of(server.blob)}"


async def opened(url: str, **options):
    return await asyncio.to_thread(partial(open_source, url, **options))


async def fetched(url: str, **options) -> bytes:
    return await asyncio.to_thread(lambda: whole(open_source(url, **options)))


async def downloaded(server: BlobServer, pauses: list[float]) -> bytes:
    """As `fetched`; pauses are noted, not waited for."""

    def run() -> bytes:
        body = Download(server.url, pause=pauses.append)
        sha256 = hashlib.sha256(server.blob).hexdigest()
        return whole(PackedImage(server.url, Passing(body), body.total, sha256=sha256))

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("packer", PACKERS)
async def test_a_blob_of_a_registry_is_streamed_and_checked(image, packer):
    async with BlobServer(PACKERS[packer](image)) as server:
        assert await fetched(blob_url(server)) == image


async def test_a_blob_that_is_another_is_refused(image):
    async with BlobServer(image) as server:
        wrong = blob_url(server)[:-64] + "00" * 32
        with pytest.raises(ImageError, match=f"not sha256:{'00' * 32}"):
            await fetched(wrong)
        with pytest.raises(ImageError, match="--sha256 differ"):
            await opened(blob_url(server), sha256="11" * 32)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("resumes", [True, False], ids=["ranges", "no ranges"])
async def test_what_breaks_off_goes_on_where_it_broke(image, packer, resumes):
    async with BlobServer(PACKERS[packer](image)) as server:
        server.cut_after, server.resumes = len(server.blob) * 2 // 3, resumes
        pauses: list[float] = []

        def heal() -> None:
            if not resumes and len(server.requests) > 1:
                server.cut_after = None

        server.on_request = heal
        assert await downloaded(server, pauses) == image
        assert pauses
        assert server.starts[0] == 0
        assert all(start >= len(server.blob) // 3 for start in server.starts[1:])


async def test_a_server_that_brings_nothing_more_is_given_up(image):
    async with BlobServer(image) as server:
        pauses: list[float] = []

        def die() -> None:
            if len(server.requests) > 1:
                server.answer = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"

        server.cut_after, server.on_request = 3 << 20, die
        with pytest.raises(ImageError, match=r"broke off at byte 3145728 .* 503 Later"):
            await downloaded(server, pauses)
        assert pauses == [1, 2, 4, 8, 16, 32]
        assert len(pauses) == TRIES


async def test_a_server_that_refuses_to_go_on_is_told_at_once(image):
    async with BlobServer(image) as server:
        pauses: list[float] = []

        def forget() -> None:
            if len(server.requests) > 1:
                server.answer = b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"

        server.cut_after, server.on_request = 3 << 20, forget
        with pytest.raises(ImageError, match="the server answers 404"):
            await downloaded(server, pauses)
        assert len(pauses) == 1


async def test_bytes_from_elsewhere_are_not_taken(image):
    async with BlobServer(image) as server:
        server.cut_after, server.shift = 3 << 20, 512
        with pytest.raises(ImageError, match="goes on behind byte 3145728"):
            await downloaded(server, [])


async def test_a_server_that_refuses_or_is_not_there_is_told():
    async with BlobServer(b"x") as server:
        server.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(ImageError, match="answers 404"):
            await opened(blob_url(server))
        url = blob_url(server)
    with pytest.raises(ImageError, match="nothing answers"):
        await opened(url)
    with pytest.raises(ImageError, match="no digest to check it by"):
        await opened("http://127.0.0.1:9/barn.img")
    with pytest.raises(ImageError, match="only http and https"):
        await opened("ftp://x/blobs/sha256:" + "0" * 64)


# --- by tag ----------------------------------------------------------------------------------------


@pytest.fixture
async def oci(tmp_path):
    async with registry_service(tmp_path / "cloud") as service:
        yield service


async def put_image(oci, blob: bytes, **changes) -> str:
    for data in (b"{}", blob):
        await oci.push_blob(data, "images/rpi3")
    manifest = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "artifactType": media.IMAGE_TYPE,
        "config": descriptor(media.EMPTY_TYPE, b"{}"),
        "layers": [descriptor(media.DISK_TYPE, blob)],
        **changes,
    }
    answer = await oci.put_manifest(manifest, "1.2", "images/rpi3")
    assert answer.status_code == 201, answer.text
    return answer.headers["docker-content-digest"]


async def test_an_image_is_found_by_tag_and_by_digest(oci, image):
    digest = await put_image(oci, zstd.compress(image))
    for url in (f"{oci.url}/v2/images/rpi3:1.2", f"{oci.url}/v2/images/rpi3@{digest}"):
        assert await fetched(url) == image


async def test_a_tag_that_is_not_there_is_told(oci):
    with pytest.raises(ImageError, match="answers 404"):
        await opened(f"{oci.url}/v2/images/rpi3:9")


async def test_an_app_is_no_image(oci):
    await oci.push_app("v1")
    with pytest.raises(ImageError, match=r"holds application/vnd\.skerry\.app\.v1, no image"):
        await opened(f"{oci.url}/v2/apps/thermo:v1")


async def test_a_manifest_that_is_another_is_refused(image):
    async with BlobServer(app_config()) as server:
        with pytest.raises(ImageError, match="what came has another digest"):
            await opened(f"{server.url}/v2/images/rpi3@sha256:{'0' * 64}")
        with pytest.raises(ImageError, match="no manifest"):
            await opened(f"{server.url}/v2/images/rpi3:1.2")


async def test_flasher_and_registry_mean_the_same_types():
    assert (download.IMAGE_TYPE, download.OCI_MANIFEST) == (media.IMAGE_TYPE, media.OCI_MANIFEST)


# --- private authorities ---------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=barn",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def pin_of(certificate) -> str:
    return digest_of(ssl.PEM_cert_to_DER_cert(certificate.read_text()))


async def test_a_private_authority_is_trusted_when_it_is_named(image, authority):
    certificate, key = authority
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with BlobServer(image, tls) as server:
        with pytest.raises(ImageError, match="if the authority is your own: --ca FILE"):
            await opened(blob_url(server))
        trust = trusted(certificate, pin_of(certificate))
        assert await fetched(blob_url(server), access=Access(trust)) == image


async def test_a_token_is_told_to_the_server_it_is_for_and_not_where_that_one_points(image):
    async with BlobServer(image) as elsewhere, BlobServer(image) as server:
        place = f"{elsewhere.url}/blob"
        server.answer = f"HTTP/1.1 307 Moved\r\nLocation: {place}\r\n\r\n".encode()
        assert await fetched(blob_url(server), access=Access(token="secret")) == image  # noqa: S106 - made up
        assert "Authorization: Bearer secret" in server.requests[0]
        assert not any("secret" in request for request in elsewhere.requests)


def test_an_authority_that_is_not_the_pinned_one_is_refused(authority):
    with pytest.raises(ImageError, match="none of its certificates has the digest"):
        trusted(authority[0], "sha256:" + "0" * 64)


@pytest.mark.parametrize("content", [None, b"", b"not PEM", b"\xff"])
def test_a_file_of_authorities_that_holds_none_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ImageError, match=r"No such file|no certificate in PEM form"):
        trusted(tmp_path / "ca.pem", None)
