"""The verbs `boards` and `flash`: arguments in, words for a person out."""

import argparse
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from boards import preseed
from boards.board import Board, find_board, names
from boards.errors import PreseedError, TargetRefusedError
from boards.flash.download import Access, trusted
from boards.flash.flasher import Phase, prepare
from boards.flash.flasher import flash as put
from boards.flash.judge import Facts, Kind, judge
from boards.flash.machine import Machine
from boards.flash.source import open_source
from boards.flash.target import UNFINISHED, Target

if TYPE_CHECKING:
    from tqdm import tqdm

MB = 1_000_000
SECRET_LIMIT = 64 << 10
"""Bytes of a file that an option names; settings have no more."""


def boards(args: argparse.Namespace) -> None:
    """`skerry boards`: what there is, and what is proven of it."""
    found = [(_stem(name), find_board(name)) for name in args.board or names()]
    if args.output == "json":
        listed = [{"name": name, **msgspec.to_builtins(board)} for name, board in found]
        print(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode())
        return
    header = ("NAME", "BOARD", "CPU", "PAGES", "IMAGE", "QEMU", "PROVEN")
    rows = [header, *(_row(name, board) for name, board in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("   ".join(cells).rstrip())


def flash(args: argparse.Namespace) -> None:
    """`skerry flash`: refuse, ask, write, verify, preseed; any failure is raised."""
    settings = settings_of(args)
    source = open_source(
        args.image, sha256=args.sha256, use_map=not args.no_bmap, access=_access(args)
    )
    try:
        image = prepare(source, settings)
        facts = Machine().facts(args.device)
        size = max(source.size or 0, image.end)
        judge(facts, image_size=size, limit_gb=args.size_limit, sure=args.yes)
        board = image.board or "a board unknown here"
        _agree(facts, board, sure=args.yes)
        with Target(facts) as target, _Bars() as bars:
            try:
                report = put(source, target, settings, bars)
            except KeyboardInterrupt:
                bars.close()
                print(f"skerry: {facts.path}: interrupted. {UNFINISHED}", file=sys.stderr)
                raise
            known = facts.kind is Kind.BLOCK and target.reread_partitions()
    finally:
        source.close()
    print(
        f"{facts.path}: {board}, {report.data / MB:.1f} MB written and verified, "
        f"{report.zeros / MB:.1f} MB of zeros too"
    )
    if report.settings is not None:
        print(f"{preseed.FILE_NAME}: {_summary(report.settings)}; written and verified")
    if facts.kind is Kind.BLOCK:
        again = "" if known else " (the kernel still shows the old partitions)"
        print(f"Take it out{again}, or first: eject {facts.path}")


def _access(args: argparse.Namespace) -> Access:
    """To the server of the image: what the options say, and what this person's commands know."""
    trust, token = args.person(args.image) if "://" in args.image else (None, None)
    return Access(trusted(args.ca, args.ca_pin) if args.ca else trust, token)


def settings_of(args: argparse.Namespace) -> preseed.Preseed:
    """What the options ask for, checked; raises PreseedError that names option and remedy."""
    labels: dict[str, str] = {}
    for text in args.label:
        name, separator, value = text.partition("=")
        if not separator:
            raise PreseedError(f"--label: {text!r} is not NAME=VALUE")
        labels[name] = value
    return preseed.Preseed(
        node=preseed.Node(name=args.name, labels=labels),
        cloud=preseed.Cloud(
            url=args.cloud, ca_pin=args.ca_pin, token=_secret("--token", args.token)
        ),
        trust=preseed.Trust(root=_root(args.trust_root)),
        wifi=preseed.Wifi(
            ssid=args.wifi_ssid,
            psk=_secret("--wifi-psk", args.wifi_psk),
            country=args.wifi_country,
        ),
        ssh=preseed.Ssh(keys=[key for text in args.ssh_key for key in _public_keys(text)]),
    )


class _Bars:
    """A progress bar for each phase; none when standard error is no terminal."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._bar: tqdm[NoReturn] | None = None

    def __call__(self, phase: Phase, done: int, total: int | None) -> None:
        if phase is not self._phase:
            self.close()
            self._phase, self._bar = phase, _bar(phase, total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the line of the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _bar(phase: Phase, total: int | None) -> "tqdm[NoReturn] | None":
    if not sys.stderr.isatty():
        return None
    from tqdm import tqdm  # noqa: PLC0415 - of no use without a terminal

    return tqdm(total=total, desc=phase.value, unit="B", unit_scale=True)


def _agree(facts: Facts, board: str, *, sure: bool) -> None:
    """A person has to say that this disk may be lost, and become that board's."""
    if sure or facts.kind is not Kind.BLOCK:
        return
    what = f"{facts.path} ({', '.join(filter(None, (facts.model, f'{facts.size / 1e9:.1f} GB')))})"
    if not sys.stdin.isatty():
        raise TargetRefusedError(f"{what}: everything on it would be lost; to go on: --yes")
    print(f"An image of {board}: everything on {what} will be lost.")
    print("Type yes to go on: ", end="", flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise TargetRefusedError(f"{facts.path}: not written, as you did not say yes")


def _root(file: str | None) -> str | None:
    return None if file is None else base64.b64encode(_bytes("--trust-root", file)).decode()


def _secret(option: str, text: str | None) -> str | None:
    if text is None or not text.startswith("@"):
        return text
    return _content(option, text[1:]).strip()


def _public_keys(text: str) -> Sequence[str]:
    if " " in text.strip() and not Path(text).expanduser().exists():
        return [text.strip()]
    lines = _content("--ssh-key", text).splitlines()
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise PreseedError(f"--ssh-key: {text}: no key in it")
    if any("PRIVATE KEY" in key for key in keys):
        raise PreseedError(f"--ssh-key: {text} is a private key; give {text}.pub")
    return keys


def _content(option: str, name: str) -> str:
    try:
        return _bytes(option, name).decode()
    except UnicodeDecodeError as fault:
        raise PreseedError(f"{option}: {name}: not text") from fault


def _bytes(option: str, name: str) -> bytes:
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(SECRET_LIMIT)
    except OSError as fault:
        raise PreseedError(f"{option}: {name}: {fault.strerror}") from fault


def _summary(settings: preseed.Preseed) -> str:
    """What is set, without a secret."""
    said = {
        "name": settings.node.name,
        "labels": ",".join(f"{name}={value}" for name, value in settings.node.labels.items()),
        "cloud": settings.cloud.url,
        "trust root": settings.trust.root and "given",
        "CA pin": settings.cloud.ca_pin and settings.cloud.ca_pin[:19] + "…",
        "token": settings.cloud.token and preseed.HIDDEN,
        "Wi-Fi": settings.wifi.ssid,
        "SSH keys": str(len(settings.ssh.keys) or ""),
    }
    return ", ".join(f"{what} {value}" for what, value in said.items() if value)


def _row(name: str, board: Board) -> Sequence[str]:
    return (
        name,
        board.title,
        board.cpu,
        f"{board.page_size >> 10} KiB",
        f"{board.layout.size >> 20} MiB",
        board.qemu.machine if board.qemu else "-",
        "; ".join(f"{proof.what} ({proof.where})" for proof in board.proven),
    )


def _stem(name: str) -> str:
    return Path(name).stem if name.endswith(".toml") else name
