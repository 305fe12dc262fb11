"""`skerry firmware push` and `deploy`: from an image to microcontrollers that run it.

An image says itself what it is; what it does not say, options do. What is said twice must agree.
Patches lie beside the image and are not signed: with others, or none, it is the same release, and
what was signed of it still holds.
"""

import json
from argparse import Namespace
from pathlib import Path

import msgspec

from cloud.client.api import Client, Json
from cloud.client.carrying import carry, pairs, pin, tell_pushed
from cloud.client.errors import InputError
from cloud.client.mcuimage import said
from cloud.client.patching import patches_to
from cloud.client.registry import (
    Reference,
    digest_of,
    firmware_artifact,
    former_signatures,
    push_signed,
)
from cloud.client.signing import firmware_statement, sign, still_good
from edge.wire.firmware import FirmwareManifest
from edge.wire.limits import FIRMWARE_LIMIT


def push_firmware(args: Namespace) -> None:
    """Push an image and print its reference."""
    manifest, image = load(args.image, args.name, args)
    with Client(args.cloud) as client:
        reference, digest = _push(client, manifest, image, args.tag, args)
    tell_pushed(reference, digest, args)


def deploy(args: Namespace) -> None:
    """Push when given an image, then create or change the Firmware."""
    with Client(args.cloud) as client:
        if Path(args.firmware).is_file():
            manifest, image = load(Path(args.firmware), args.image_name, args)
            reference, digest = _push(client, manifest, image, None, args)
            pinned: Json = {"digest": digest, "reference": None}
        else:
            if args.base:
                raise InputError(
                    f"--from: {args.firmware} is pushed already; patches go with an image: "
                    "`skerry firmware push IMAGE --from …`, then deploy it"
                )
            reference = Reference.parse(args.firmware)
            pinned = pin(reference)
        name = args.name or reference.repository.rsplit("/", 1)[-1]
        spec: Json = {"artifact": {"repository": reference.repository, **pinned}}
        if args.selector:
            spec["selector"] = {"matchLabels": pairs(args.selector.split(","), "--selector")}
        if args.mcu:
            spec["microcontroller"] = {"name": args.mcu}
        body = {
            "apiVersion": "skerry.dev/v1alpha1",
            "kind": "Firmware",
            "metadata": {"name": name},
            "spec": spec,
        }
        carry(client, body, args)


def load(path: Path, name: str | None, args: Namespace) -> tuple[FirmwareManifest, bytes]:
    """An image and what it is; raises InputError naming file, field and option."""
    try:
        with path.open("rb") as file:
            image = file.read(FIRMWARE_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not 0 < len(image) <= FIRMWARE_LIMIT:
        raise InputError(f"{path}: an image has 1 to {FIRMWARE_LIMIT} bytes")
    try:
        own = said(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    board = _agreed(path, "board", own.board, args.board)
    version = _agreed(path, "release", own.version, args.release)
    raw = {
        "name": name or f"skerry-{board}",
        "version": version,
        "board": board,
        "digest": digest_of(image),
        "size": len(image),
    }
    try:
        return msgspec.convert(raw, FirmwareManifest), image
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None


def _agreed(path: Path, option: str, own: str, given: str | None) -> str:
    if own and given and own != given:
        raise InputError(f"--{option}: {given}; {path} says that it is {own}")
    if not own and not given:
        raise InputError(
            f"{path}: does not say its {option}; give --{option}, or an image with a header, as "
            "`skerry firmware build` makes"
        )
    return own or given or ""


def _push(
    client: Client, manifest: FirmwareManifest, image: bytes, tag: str | None, args: Namespace
) -> tuple[Reference, str]:
    reference = Reference.parse(f"{manifest.name}:{tag or manifest.version.replace('+', '_')}")
    config = json.dumps(msgspec.to_builtins(manifest), sort_keys=True).encode()
    statement = firmware_statement(manifest, image, args)
    patches = patches_to(client, manifest, image, args.base, args.make_patch)
    digest = push_signed(
        client,
        reference,
        firmware_artifact(config, image, patches),
        lambda held: sign(
            client,
            statement,
            held or still_good(statement, former_signatures(client, reference)),
            args,
        ),
    )
    return reference, digest
