"""`skerry.toml` in the boot partition: what a board is told before its first boot.

docs/flashing.md explains each key. No value of a secret is ever in a message or a repr.
"""

import base64
import binascii
import re
import tomllib
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, ValidationError, convert, field, structs

from boards.errors import PreseedError

FILE_NAME = "skerry.toml"
FILE_LIMIT = 64 << 10
"""Bytes; 32 SSH keys of the longest kind and a token stay under half of it."""
HIDDEN = "(hidden)"

_LABEL_NAME = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_NODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MCU = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")
_URL = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_PASSPHRASE = re.compile(r"[ -~]{8,63}|[0-9a-fA-F]{64}")
_ROOT = re.compile(r"[A-Za-z0-9+/]{4,32768}={0,2}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What every table of the file has in common."""


class Node(Section, frozen=True, kw_only=True):
    """`[node]`."""

    name: str | None = None
    """Name in the cloud and host name: a DNS label."""
    labels: dict[str, str] = field(default_factory=dict[str, str])


class Cloud(Section, frozen=True, kw_only=True):
    """`[cloud]`."""

    url: str | None = None
    ca_pin: str | None = None
    """`sha256:…` of the certificate authority that the node must meet."""
    token: str | None = None
    """Join token: a secret."""

    def __repr__(self) -> str:
        token = None if self.token is None else HIDDEN
        return f"Cloud(url={self.url!r}, ca_pin={self.ca_pin!r}, token={token!r})"


class Wifi(Section, frozen=True, kw_only=True):
    """`[wifi]`."""

    ssid: str | None = None
    psk: str | None = None
    """Passphrase of 8 to 63 characters, or the key itself in 64 hex digits: a secret."""
    country: str | None = None
    """ISO 3166: which channels are allowed."""

    def __repr__(self) -> str:
        psk = None if self.psk is None else HIDDEN
        return f"Wifi(ssid={self.ssid!r}, psk={psk!r}, country={self.country!r})"


class Ssh(Section, frozen=True, kw_only=True):
    """`[ssh]`; without keys no SSH server is started."""

    keys: Annotated[list[str], Meta(max_length=32)] = field(default_factory=list[str])


class Trust(Section, frozen=True, kw_only=True):
    """`[trust]`: whose apps run."""

    root: str | None = None
    """The `root.cose` of `skerry keys init`, in base64; public."""
    unsigned: Literal["allow"] | None = None
    """Without a root: run what nobody signed."""


class Mcu(Section, frozen=True, kw_only=True):
    """`[mcu.NAME]`: an attached microcontroller; docs/hal.md says what each key does."""

    device: str | None = None
    usb: str | None = None
    serial_number: str | None = None
    baudrate: int | None = None
    config: dict[str, Any] | None = None
    """The agent checks it, which knows what firmware there is."""


class Preseed(Section, frozen=True, kw_only=True):
    """The whole file; everything may be absent."""

    format: Annotated[int, Meta(ge=1, le=1)] = 1
    node: Node = Node()
    cloud: Cloud = Cloud()
    trust: Trust = Trust()
    wifi: Wifi = Wifi()
    ssh: Ssh = Ssh()
    mcu: Annotated[dict[str, Mcu], Meta(max_length=16)] = field(default_factory=dict[str, Mcu])


def parse(data: bytes) -> Preseed:
    """The settings that a file holds, checked; raises PreseedError."""
    if len(data) > FILE_LIMIT:
        raise PreseedError(f"{FILE_NAME}: {len(data)} bytes; at most {FILE_LIMIT}")
    try:
        # Editors on Windows put a byte order mark in front and end lines with CR LF.
        tables = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise PreseedError(f"{FILE_NAME}: not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as fault:
        raise PreseedError(f"{FILE_NAME}: not TOML: {_place(str(fault))}") from None
    try:
        settings = convert(tables, Preseed)
    except ValidationError as fault:
        reason, _, at = str(fault).partition(" - at `$.")
        key = at.rstrip("`")
        raise PreseedError(f"{key}: {reason}" if key else reason) from None
    check(settings)
    return settings


def check(settings: Preseed, *, whole: bool = True) -> None:
    """Raises PreseedError for the first setting that could not work; a part may lack others."""
    node, cloud, wifi = settings.node, settings.cloud, settings.wifi
    _match("node.name", node.name, _NODE, "a DNS label: a-z, 0-9 and '-', at most 63")
    for name, value in node.labels.items():
        key = f"node.labels.{name}"
        _match(
            key, name, _LABEL_NAME, "a label's name: letters, digits, '.', '_', '-', at most 63"
        )
        _match(
            key, value, _LABEL_VALUE, "a label's value: letters, digits, '.', '_', '-', at most 63"
        )
    _match("cloud.url", cloud.url, _URL, "an address like https://cloud.example:8480")
    _match("cloud.ca-pin", cloud.ca_pin, _PIN, "sha256: and 64 hex digits in lower case")
    _match("cloud.token", cloud.token, _TOKEN, "printable ASCII without spaces", secret=True)
    if whole and cloud.url is None and (cloud.token or cloud.ca_pin):
        raise PreseedError("cloud.url: missing; a token or a pin is of no use without it")
    _match(
        "trust.root", settings.trust.root, _ROOT, "the base64 of root.cose (`skerry keys init`)"
    )
    if wifi.ssid is not None and not 1 <= len(wifi.ssid.encode()) <= 32:  # noqa: PLR2004 - IEEE 802.11
        raise PreseedError("wifi.ssid: needs 1 to 32 bytes")
    _match(
        "wifi.psk", wifi.psk, _PASSPHRASE, "8 to 63 ASCII characters or 64 hex digits", secret=True
    )
    if whole and wifi.ssid is None and wifi.psk is not None:
        raise PreseedError("wifi.ssid: missing; a key is of no use without it")
    _match("wifi.country", wifi.country, _COUNTRY, "two capitals: DE, GB, US")
    for name, each in settings.mcu.items():
        _match("mcu", name, _MCU, "a microcontroller's name: a-z, 0-9 and '-', at most 24")
        if each.device is None and each.usb is None and each.serial_number is None:
            raise PreseedError(f"mcu.{name}: how is it found? give device, usb or serial-number")
        for value in (each.config or {}).values():
            _value(value)
    for number, line in enumerate(settings.ssh.keys):
        _check_key(f"ssh.keys[{number}]", line)


def merge(base: Preseed, over: Preseed) -> Preseed:
    """`base` with everything that `over` states; labels and SSH keys are added to."""
    keys = [*base.ssh.keys, *(key for key in over.ssh.keys if key not in base.ssh.keys)]
    return Preseed(
        node=Node(
            name=over.node.name or base.node.name, labels={**base.node.labels, **over.node.labels}
        ),
        cloud=_over(base.cloud, over.cloud),
        trust=_over(base.trust, over.trust),
        wifi=_over(base.wifi, over.wifi),
        ssh=Ssh(keys=keys),
        mcu={**base.mcu, **over.mcu},
    )


def render(settings: Preseed) -> bytes:
    """The file, with a word on each section; `parse` gives the same settings back."""
    node, cloud, wifi = settings.node, settings.cloud, settings.wifi
    lines = [
        "# Read by the board when it boots; docs/flashing.md explains each key.",
        f"format = {settings.format}",
        "",
        "[node]",
        *_lines({"name": node.name}),
    ]
    if node.labels:
        pairs = ", ".join(f"{_text(name)} = {_text(value)}" for name, value in node.labels.items())
        lines.append(f"labels = {{ {pairs} }}")
    lines += ["", "[cloud]"]
    lines += _lines({"url": cloud.url, "ca-pin": cloud.ca_pin, "token": cloud.token})
    lines += ["", "[trust]"]
    lines += _lines({"root": settings.trust.root, "unsigned": settings.trust.unsigned})
    lines += ["", "[wifi]"]
    lines += _lines({"ssid": wifi.ssid, "psk": wifi.psk, "country": wifi.country})
    lines += ["", "[ssh]", "keys = ["]
    lines += [f"  {_text(key)}," for key in settings.ssh.keys]
    lines += ["]", ""]
    return "\n".join(lines).encode() + render_attached(settings)


def render_attached(settings: Preseed) -> bytes:
    """The tables of microcontrollers: here, and for the agent's board file."""
    lines: list[str] = []
    for name, each in settings.mcu.items():
        stated = structs.asdict(each)
        entries = {key.replace("_", "-"): stated[key] for key in stated}
        lines += [f"[mcu.{name}]"]
        lines += [f"{k} = {_value(v)}" for k, v in entries.items() if v is not None]
        lines += [""]
    return "\n".join(lines).encode()


def _value(value: object) -> str:
    """A TOML value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case dict():
            return "{ " + ", ".join(f"{_text(k)} = {_value(v)}" for k, v in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case int() | float():
            return repr(value)
        case _:
            raise PreseedError(f"mcu: {value!r} has no place in a configuration")


def _lines(entries: dict[str, str | None]) -> list[str]:
    return [f"{key} = {_text(value)}" for key, value in entries.items() if value is not None]


def _text(value: str) -> str:
    """A TOML basic string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    plain = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)
    return f'"{plain}"'


S = TypeVar("S", Cloud, Trust, Wifi)


def _over(base: S, over: S) -> S:
    stated = {key: value for key, value in structs.asdict(over).items() if value is not None}
    return structs.replace(base, **stated)


def _match(
    key: str, value: str | None, pattern: re.Pattern[str], wanted: str, *, secret: bool = False
) -> None:
    if value is None or pattern.fullmatch(value):
        return
    shown = "the value" if secret else repr(value)
    raise PreseedError(f"{key}: {shown} is not {wanted}")


def _check_key(key: str, line: str) -> None:
    if "PRIVATE KEY" in line:
        raise PreseedError(
            f"{key}: this is a private key; give the public one, from the .pub file"
        )
    kind, _, rest = line.partition(" ")
    if kind not in _KEY_TYPES or "\n" in line:
        raise PreseedError(f"{key}: not one line of a .pub file; it begins like ssh-ed25519 AAAA…")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except binascii.Error:
        raise PreseedError(f"{key}: its base64 is damaged; copy the whole line") from None
    name = kind.encode()
    # RFC 4253, 6.6: the blob begins with its own type, as a string with its length.
    if not blob.startswith(len(name).to_bytes(4, "big") + name) or len(blob) < len(name) + 36:
        raise PreseedError(f"{key}: cut short, or not a key of type {kind}; copy the whole line")


def _place(text: str) -> str:
    """Where a TOML error is, without what stands there: that could be a secret."""
    found = re.search(r"\(at [^)]*\)", text)
    return f"cannot be read {found[0]}" if found else "cannot be read"
