"""`skerry image push`: an image of a card into the registry, where `skerry flash` finds it."""

import shutil
import tempfile
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from cloud.client import output
from cloud.client.api import Client
from cloud.client.errors import InputError
from cloud.client.registry import Blob, Reference, push_artifact
from cloud.registry.media import DISK_TYPE, EMPTY_TYPE, IMAGE_TYPE

_PACKED = (b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x1f\x8b")
"""First bytes of zstd, xz and gzip."""


def push_image(args: Namespace) -> None:
    """Push an image, packed on the way unless it is, and print where it then is."""
    reference = Reference.parse(args.reference)
    if reference.version.startswith("sha256:"):
        raise InputError(f"{args.reference}: a digest cannot be chosen; write NAME:TAG")
    with _packed(args.file) as file, Client(args.cloud) as client:
        layer = Blob.of(DISK_TYPE, file)
        with tqdm(
            total=layer.size,
            unit="B",
            unit_scale=True,
            desc=f"push {reference.repository}:{reference.version}",
            disable=None,  # quiet when not a terminal
        ) as bar:
            digest = push_artifact(
                client,
                reference,
                IMAGE_TYPE,
                Blob.of(EMPTY_TYPE, BytesIO(b"{}")),
                [layer],
                lambda sent, _: bar.update(sent - bar.n),
            )
        where = f"{client.url}/v2/{reference.repository}"
    if args.output == "table":
        print(f"{where}:{reference.version}\n{where}@{digest}")
    else:
        found = {"url": f"{where}:{reference.version}", "digest": digest, "size": layer.size}
        output.show(found, args.output)


@contextmanager
def _packed(path: Path) -> Generator[BinaryIO]:
    """The file, or what zstd makes of it in the folder for temporary files."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    with file:
        first = file.read(max(map(len, _PACKED)))
        file.seek(0)
        if not first:
            raise InputError(f"{path}: empty")
        if first.startswith(_PACKED):
            yield file
            return
        try:
            from backports import zstd  # noqa: PLC0415 - only to pack
        except ImportError:
            raise InputError(
                f"{path}: not packed; first: pip install 'skerry[boards]', or pack it (zstd)"
            ) from None
        with tempfile.TemporaryFile() as packed:
            with zstd.ZstdFile(packed, "wb") as squeezer:
                shutil.copyfileobj(file, squeezer, 1 << 20)
            packed.seek(0)
            yield packed
