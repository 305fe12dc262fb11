"""Debian packages of a board's architecture, fetched without touching the system.

A private apt configuration names the suites; the mirrors are those this machine already uses.
The lock says which bytes are wanted: a package is known by its SHA-256, never by its name.
"""

import fnmatch
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from boards.image.errors import PackageError

LOCK = Path(__file__).parent / "lock" / "arm64.json"
REFRESH = "skerry image lock --refresh"
APT_TIMEOUT = 900
"""Seconds for one run of apt: a hundred megabytes over a slow line."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

Say = Callable[[str], None]
"""Told what goes on, a line at a time."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a set holds: `roots` with all they depend on, narrowed to names matching `keep`."""

    architecture: str
    suite: str
    roots: tuple[str, ...]
    keep: tuple[str, ...] = ("*",)
    components: tuple[str, ...] = ("main",)


class Package(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One pinned package: these bytes and no others."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    copyright: bool
    """Whether the package itself holds the text of its licence."""


# CPython is bookworm's because its 3.11 is what the wheels and the compiled agent are made for;
# the kernel is trixie's because boards newer than bookworm need it.
SETS: Mapping[str, Wanted] = {
    "system": Wanted(
        architecture="arm64",
        suite="bookworm",
        roots=("python3.11", "busybox-static", "e2fsprogs"),
    ),
    "headers": Wanted(
        architecture="arm64",
        suite="bookworm",
        roots=("libpython3.11-dev",),
        keep=("libpython3.11-dev",),
    ),
    "linux-image-arm64": Wanted(
        architecture="arm64",
        suite="trixie",
        roots=("linux-image-arm64",),
        keep=("linux-image-[0-9]*",),
    ),
    # Backports are replaced every few weeks: only a board that trixie's kernel cannot serve uses it.
    "linux-image-arm64-16k": Wanted(
        architecture="arm64",
        suite="trixie-backports",
        roots=("linux-image-arm64-16k",),
        keep=("linux-base-[0-9]*", "linux-binary-[0-9]*", "linux-modules-[0-9]*"),
    ),
    "ssh": Wanted(architecture="arm64", suite="bookworm", roots=("dropbear-bin",)),
    "wifi": Wanted(
        architecture="arm64", suite="bookworm", roots=("wpasupplicant", "iw", "wireless-regdb")
    ),
    "firmware-brcm80211": Wanted(
        architecture="arm64",
        suite="trixie",
        roots=("firmware-brcm80211",),
        keep=("firmware-brcm80211",),
        components=("main", "non-free-firmware"),
    ),
    "raspi-firmware": Wanted(
        architecture="arm64",
        suite="trixie",
        roots=("raspi-firmware",),
        keep=("raspi-firmware",),
        components=("main", "non-free-firmware"),
    ),
}

Lock = dict[str, list[Package]]


def read_lock(path: Path = LOCK) -> Lock:
    """The pinned packages of every set; raises PackageError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lock)
    except (OSError, msgspec.DecodeError) as fault:
        raise PackageError(f"{path}: {fault}; write it anew: {REFRESH}") from fault


def refresh_lock(cache: Path, say: Say, path: Path = LOCK) -> Lock:
    """Pin what the mirrors have now, and write it down."""
    lock: Lock = {}
    for name, wanted in SETS.items():
        lock[name] = _resolve(wanted, cache)
        say(f"{name}: {len(lock[name])} packages")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")
    return lock


def unpacked(name: str, lock: Lock, cache: Path, say: Say) -> Mapping[Package, Path]:
    """Every package of a set with the directory it lies unpacked in; made once, by content.

    Raises PackageError when the set is unknown or a package is gone from the mirrors.
    """
    if name not in lock or name not in SETS:
        raise PackageError(f"no package set {name!r}; there are {', '.join(SETS)}")
    _fetch(name, lock[name], cache, say)
    return {pin: _unpack(pin, cache) for pin in lock[name]}


def mirrors(targets: str) -> Mapping[str, str]:
    """Debian's archives as this machine reaches them: "debian", and "debian-security" if there.

    `targets` is `apt-get indextargets` in the form `address|label`, a line for each. Raises
    PackageError when the main archive is missing.
    """
    labels = {"Debian": "debian", "Debian-Security": "debian-security"}
    found: dict[str, str] = {}
    for line in targets.splitlines():
        address, _, label = line.partition("|")
        if label in labels:
            found.setdefault(labels[label], address)
    if "debian" not in found:
        raise PackageError(
            "apt knows no Debian archive on this machine: add one to its sources, apt-get update"
        )
    return found


def names_of(listing: str) -> list[tuple[str, str, str]]:
    """Name, version and architecture of each line that `apt-get --print-uris` printed."""
    return [_file_name(line.split()[1]) for line in listing.splitlines() if line.startswith("'")]


def sha256_of(file: Path) -> str:
    """Hexadecimal digest of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _fetch(name: str, pins: Sequence[Package], cache: Path, say: Say) -> None:
    store = _store(cache)
    missing = [pin for pin in pins if not _holds(store, pin)]
    if not missing:
        return
    megabytes = sum(pin.size for pin in missing) / 1e6
    say(f"packages: fetching {len(missing)} of {name}, {megabytes:.1f} MB")
    with tempfile.TemporaryDirectory(dir=store) as work:
        apt = _Apt(SETS[name], Path(work))
        apt.run("apt-get", "update", "-qq")
        apt.download([f"{pin.name}:{pin.architecture}={pin.version}" for pin in missing])
        found = {sha256_of(deb): deb for deb in apt.downloads.glob("*.deb")}
        for pin in missing:
            if pin.sha256 not in found:
                raise PackageError(
                    f"{pin.name} {pin.version}: the mirror's bytes are not the pinned ones; "
                    f"take what it has now: {REFRESH}"
                )
            found[pin.sha256].replace(store / f"{pin.sha256}.deb")


def _resolve(wanted: Wanted, cache: Path) -> list[Package]:
    store = _store(cache)
    with tempfile.TemporaryDirectory(dir=store) as work:
        apt = _Apt(wanted, Path(work))
        apt.run("apt-get", "update", "-qq")
        listing = apt.run(
            *("apt-get", "install", "--no-install-recommends", "--print-uris", "-qq"),
            *wanted.roots,
        )
        apt.download(
            [
                f"{name}:{architecture}={version}"
                for name, version, architecture in names_of(listing)
                if any(fnmatch.fnmatch(name, pattern) for pattern in wanted.keep)
            ]
        )
        return sorted(_pin(deb, store) for deb in apt.downloads.glob("*.deb"))


def _pin(deb: Path, store: Path) -> Package:
    name, version, architecture = _file_name(deb.name)
    listing = _execute(["dpkg-deb", "--contents", str(deb)], os.environ)
    pin = Package(
        name=name,
        version=version,
        architecture=architecture,
        size=deb.stat().st_size,
        sha256=sha256_of(deb),
        copyright=f"/usr/share/doc/{name}/copyright" in listing,
    )
    deb.replace(store / f"{pin.sha256}.deb")
    return pin


def _unpack(pin: Package, cache: Path) -> Path:
    target = cache / "unpacked" / pin.sha256
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        deb = _store(cache) / f"{pin.sha256}.deb"
        _execute(["dpkg-deb", "--extract", str(deb), str(work)], os.environ)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # else somebody else made the same meanwhile
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


class _Apt:
    """apt with its own lists, cache and status; the machine's mirrors, proxies and credentials."""

    def __init__(self, wanted: Wanted, work: Path) -> None:
        self.downloads = work / "downloads"
        for folder in ("lists/partial", "cache/archives/partial", "downloads"):
            (work / folder).mkdir(parents=True)
        (work / "status").touch()
        targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(LABEL)"]
        known = mirrors(_execute(targets, os.environ))
        # Backports come from the main archive alone, and lean on the suite that they are made for.
        base = wanted.suite.removesuffix("-backports")
        suites = {"debian": base, "debian-security": f"{base}-security"}
        sources = [(known[archive], suites[archive]) for archive in known]
        newer = ""
        if wanted.suite != base:
            sources.append((known["debian"], wanted.suite))
            newer = f'APT::Default-Release "{wanted.suite}";\n'
        signed = f" signed-by={_KEYRING}" if Path(_KEYRING).is_file() else ""
        (work / "sources.list").write_text(
            "".join(
                f"deb [arch={wanted.architecture}{signed}] {address} {suite} "
                f"{' '.join(wanted.components)}\n"
                for address, suite in sources
            )
        )
        (work / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{work}/sources.list";\n'
            f'Dir::Etc::sourceparts "/dev/null";\n'
            f'Dir::Etc::preferencesparts "/dev/null";\n'
            f'Dir::State::Lists "{work}/lists";\n'
            f'Dir::State::status "{work}/status";\n'
            f'Dir::Cache "{work}/cache";\n'
            f'APT::Architecture "{wanted.architecture}";\n'
            f'APT::Architectures {{ "{wanted.architecture}"; }};\n'
            'APT::Sandbox::User "";\n'
            'Acquire::Languages "none";\n'
            f"{newer}"
        )
        self._environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}

    def run(self, *arguments: str) -> str:
        return _execute(arguments, self._environment, self.downloads)

    def download(self, names: Sequence[str]) -> None:
        self.run("apt-get", "download", "-qq", *names)


def _execute(
    arguments: Sequence[str], environment: Mapping[str, str], at: Path | None = None
) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - argv of our own making, no shell
            arguments,
            env=environment,
            cwd=at,
            capture_output=True,
            text=True,
            check=False,
            timeout=APT_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as fault:
        raise PackageError(
            f"{arguments[0]} is not here: images are built on Debian and its kin"
        ) from fault
    except subprocess.TimeoutExpired as fault:
        raise PackageError(f"{arguments[0]} took over {APT_TIMEOUT} s: try again") from fault
    if done.returncode:
        said = " ".join(done.stderr.strip().splitlines()[-3:])
        raise PackageError(
            f"{' '.join(arguments[:2])}: {said}; "
            f"if a version is gone from the mirror, take what it has now: {REFRESH}"
        )
    return done.stdout


def _store(cache: Path) -> Path:
    store = cache / "packages"
    store.mkdir(parents=True, exist_ok=True)
    return store


def _file_name(name: str) -> tuple[str, str, str]:
    package, version, architecture = name.removesuffix(".deb").split("_")
    return package, urllib.parse.unquote(version), architecture


def _holds(store: Path, pin: Package) -> bool:
    file = store / f"{pin.sha256}.deb"
    return file.is_file() and file.stat().st_size == pin.size
