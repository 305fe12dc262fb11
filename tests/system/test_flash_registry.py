"""An image's way through a real cloud: `skerry image push`, then `skerry flash` by tag."""

import pytest

from tests.support.card_image import card_image
from tests.support.cloud import cloud_service
from tests.support.system import skerry, skerry_json


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with cloud_service(tmp_path_factory.mktemp("cloud")) as service:
        yield service.url


def test_a_pushed_image_is_flashed_by_its_tag(cloud, tmp_path):
    image = card_image(tmp_path / "barn.img")
    pushed = skerry_json("image", "push", str(image), "images/rpi3:1.2", cloud=cloud)
    assert pushed["url"] == f"{cloud}/v2/images/rpi3:1.2"
    assert pushed["size"] < image.stat().st_size // 4
    skerry("flash", pushed["url"], str(tmp_path / "card"))
    assert (tmp_path / "card").read_bytes() == image.read_bytes()


def test_a_cloud_with_its_own_authority_is_asked_as_the_person_who_runs_it(tmp_path):
    image = card_image(tmp_path / "barn.img")
    with cloud_service(tmp_path / "cloud", insecure_loopback=False) as service:
        url = skerry_json("image", "push", str(image), "images/rpi3:1", cloud=service.url)["url"]
        skerry("flash", url, str(tmp_path / "card"))
    assert url.startswith("https://")
    assert (tmp_path / "card").read_bytes() == image.read_bytes()


def test_who_is_not_logged_in_is_told_how(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("SKERRY_CONTEXTS", str(tmp_path / "nobody"))
    done = skerry("flash", f"{cloud}/v2/images/rpi3:1", str(tmp_path / "card"), check=False)
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "skerry login" in done.stderr
    assert not (tmp_path / "card").exists()


@pytest.mark.parametrize(
    ("content", "reference", "message"),
    [
        (None, "images/rpi3:1", "No such file"),
        (b"", "images/rpi3:1", "empty"),
        (b"x", "Images", "is no artifact reference; write repository:tag"),
        (b"x", "images@sha256:" + "0" * 64, "a digest cannot be chosen; write NAME:TAG"),
    ],
)
def test_what_cannot_be_pushed_is_told(cloud, tmp_path, content, reference, message):
    if content is not None:
        (tmp_path / "image").write_bytes(content)
    done = skerry("image", "push", str(tmp_path / "image"), reference, cloud=cloud, check=False)
    assert done.returncode == 1
    assert message in done.stderr
