"""`skerry keys`: who may say what runs. Everything happens on the desk; only roots are published."""

from argparse import Namespace
from datetime import UTC, datetime

from cloud.client import output
from cloud.client.api import Client
from cloud.client.errors import InputError
from cloud.client.keyring import Keyring, new_root
from cloud.client.registry import push_root, root_version
from cloud.clock import utc_now
from edge.trust.root import ROOT_ROLE, Role

DAY = 86_400
KEYS_LIMIT = 16
"""Keys of a role: as many signatures as a document may have."""
DAYS_LIMIT = 36_500
"""A century."""


def init(args: Namespace) -> None:
    """Make keys and version 1 of the root of trust."""
    for option, count in (
        ("--root-keys", args.root_keys),
        ("--app-keys", args.app_keys),
        ("--image-keys", args.image_keys),
        ("--firmware-keys", args.firmware_keys),
    ):
        if not 1 <= count <= KEYS_LIMIT:
            raise InputError(f"{option}: {count} is not from 1 to {KEYS_LIMIT}")
    ring = Keyring(args.keys)
    ring.create()
    passphrase = ring.ask_passphrase() if args.encrypt else None
    made = {
        ROOT_ROLE: ring.new_keys(args.root_keys),
        "app": ring.new_keys(args.app_keys),
        "image": ring.new_keys(args.image_keys),
        "firmware": ring.new_keys(args.firmware_keys),
    }
    thresholds = {
        ROOT_ROLE: args.root_threshold,
        "app": args.app_threshold,
        "image": args.image_threshold,
        "firmware": args.firmware_threshold,
    }
    roles = {role: ([key.public for key in keys], thresholds[role]) for role, keys in made.items()}
    data = ring.publishable(new_root(1, _expiry(args.days), roles), made[ROOT_ROLE])
    for keys in made.values():
        ring.keep(keys, passphrase)
    ring.keep_root(1, data)
    print(f"keys in {ring.directory}; give nodes {ring.root_file}")


def show(args: Namespace) -> None:
    """List the keys of the newest root and which of them are here."""
    ring = Keyring(args.keys)
    root = ring.root()
    rows = [
        (name[:16], role, str(found.threshold), _where(ring, name))
        for role, found in sorted(root.roles.items())
        for name in found.keys
    ]
    expires = datetime.fromtimestamp(root.expires, UTC)
    if args.output != "table":
        fields = ("id", "role", "threshold", "private")
        keys = [dict(zip(fields, row, strict=True)) for row in rows]
        found = {"version": root.version, "expires": expires.isoformat(), "keys": keys}
        output.show(found, args.output)
        return
    print(f"root of trust: version {root.version}, expires {expires:%Y-%m-%d}")
    output.show_rows(("KEY", "ROLE", "THRESHOLD", "PRIVATE HALF"), rows)


def rotate(args: Namespace) -> None:
    """Replace the keys of a role: the next version of the root, signed by the old and the new.

    A role that the root does not have yet gets one key.
    """
    ring = Keyring(args.keys)
    old = ring.root()
    signing = ring.signing_keys(old, ROOT_ROLE)
    if len(signing) < old.roles[ROOT_ROLE].threshold:
        raise InputError(
            f"{ring.directory}: {len(signing)} root keys are here, "
            f"{old.roles[ROOT_ROLE].threshold} must sign; bring the others"
        )
    before = old.roles.get(args.role, Role(keys=[], threshold=1))
    made = ring.new_keys(len(before.keys) or 1)
    roles = {
        role: (
            [key.public for key in made]
            if role == args.role
            else list(old.keys_of(role).values()),
            found.threshold,
        )
        for role, found in {**old.roles, args.role: before}.items()
    }
    root = new_root(old.version + 1, _expiry(args.days), roles)
    more = made if args.role == ROOT_ROLE else []
    data = ring.publishable(root, [*signing, *more])
    locked = any(ring.encrypted(name) for name in old.keys if ring.has(name))
    ring.keep(made, ring.ask_passphrase() if locked else None)
    ring.keep_root(root.version, data)
    ring.retire(set(before.keys) - root.keys.keys())
    print(
        f"root of trust: version {root.version}; "
        "`skerry keys publish` brings it to the cloud, and nodes take it from there"
    )


def publish(args: Namespace) -> None:
    """Bring every version of the root to the cloud's registry."""
    with Client(args.cloud) as client:
        published = publish_roots(client, Keyring(args.keys))
    print(f"root of trust: version {published} is published")


def publish_roots(client: Client, ring: Keyring) -> int:
    """Publish what the cloud lacks; the newest version. InputError when this desk is behind."""
    newest = 0
    for newest, data in ring.roots():
        push_root(client, newest, data)
    there = root_version(client)
    if there > newest:
        raise InputError(
            f"{ring.directory}: the root here is version {newest}, the cloud has {there}: "
            "copy the directory from where it was rotated"
        )
    return newest


def _expiry(days: int) -> int:
    if not 1 <= days <= DAYS_LIMIT:
        raise InputError(f"--days: {days} is not from 1 to {DAYS_LIMIT}")
    return int(utc_now().timestamp()) + days * DAY


def _where(ring: Keyring, name: str) -> str:
    if not ring.has(name):
        return "elsewhere"
    return "here, encrypted" if ring.encrypted(name) else "here"
