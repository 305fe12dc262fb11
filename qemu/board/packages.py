"""Debian packages of any architecture and suite, fetched without touching the system.

A private apt configuration names the suites; the mirror is the one this machine already uses.
The lock says which bytes are wanted: a package is known by its SHA-256, never by its name.
`python -m qemu.board.packages --refresh` writes the lock anew.
"""

import argparse
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from qemu.board.errors import PackageError

LOCK = Path(__file__).with_name("packages.lock")
REFRESH = "python -m qemu.board.packages --refresh"
APT_TIMEOUT_S = 600  # sixty megabytes over a slow line


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a set holds: `roots` with all they depend on, narrowed to names matching `keep`."""

    architecture: str
    suites: tuple[str, ...]
    roots: tuple[str, ...]
    keep: tuple[str, ...] = ("*",)


class Package(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One pinned package: these bytes and no others."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str


# Bookworm, not what is newest: it is stable, so a pin lasts, and its backports hold QEMU 10,
# the first whose raspi3b has I2C devices.
SETS = {
    "qemu-amd64": Wanted(
        architecture="amd64",
        suites=("bookworm", "bookworm-backports"),
        roots=("qemu-system-arm", "qemu-utils"),
    ),
    "tiny-arm64": Wanted(
        architecture="arm64",
        suites=("bookworm",),
        roots=("linux-image-arm64", "busybox-static"),
        keep=("linux-image-[0-9]*", "busybox-static"),
    ),
    "u-boot": Wanted(
        architecture="amd64",  # a package for all architectures
        suites=("bookworm",),
        roots=("u-boot-qemu",),
        keep=("u-boot-qemu",),
    ),
}

Lock = dict[str, list[Package]]


def read_lock(path: Path = LOCK) -> Lock:
    """The pinned packages of every set; raises PackageError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lock)
    except (OSError, msgspec.DecodeError) as fault:
        raise PackageError(f"{path}: {fault}; write it anew: {REFRESH}") from fault


def tree(name: str, cache: Path, lock: Lock | None = None) -> Path:
    """A directory in `cache` with every package of the set unpacked; made once, shared by all.

    Raises PackageError when the set is unknown or a package is gone from the mirror.
    """
    pins = (read_lock() if lock is None else lock).get(name)
    if pins is None or name not in SETS:
        raise PackageError(f"no package set {name!r}; there are {', '.join(SETS)}")
    digest = hashlib.sha256("".join(pin.sha256 for pin in pins).encode()).hexdigest()
    made = cache / "trees" / f"{name}-{digest[:16]}"
    if not made.is_dir():
        files = fetch(SETS[name], pins, cache)
        unpack(files, made)
    return made


def fetch(wanted: Wanted, pins: Sequence[Package], cache: Path) -> list[Path]:
    """The pinned packages as files in `cache`, downloaded where they are not there yet."""
    store = cache / "packages"
    store.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if not _holds(store, pin)]
    if missing:
        with tempfile.TemporaryDirectory(dir=store) as work:
            apt = _Apt(wanted, Path(work))
            apt.run("apt-get", "update", "-qq")
            names = [f"{pin.name}:{pin.architecture}={pin.version}" for pin in missing]
            apt.run("apt-get", "download", "-qq", *names)
            found = {_sha256(deb): deb for deb in apt.downloads.glob("*.deb")}
            for pin in missing:
                if pin.sha256 not in found:
                    raise PackageError(
                        f"{pin.name} {pin.version}: the mirror's bytes are not the pinned ones; "
                        f"take what it has now: {REFRESH}"
                    )
                found[pin.sha256].replace(store / f"{pin.sha256}.deb")
    return [store / f"{pin.sha256}.deb" for pin in pins]


def unpack(files: Iterable[Path], target: Path) -> None:
    """Unpack packages into `target`, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))
    work.chmod(0o755)
    try:
        for deb in files:
            _execute(["dpkg-deb", "--extract", str(deb), str(work)], os.environ)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # else somebody else made the same tree meanwhile
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def resolve(wanted: Wanted, cache: Path) -> list[Package]:
    """What the mirror has now for a set, downloaded into `cache`, sorted by name."""
    store = cache / "packages"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store) as work:
        apt = _Apt(wanted, Path(work))
        apt.run("apt-get", "update", "-qq")
        newest = ["-t", wanted.suites[-1]]
        listing = apt.run(
            *("apt-get", "install", "--no-install-recommends", "--print-uris", "-qq", *newest),
            *wanted.roots,
        )
        names = [
            f"{name}:{architecture}={version}"
            for name, version, architecture in uris(listing)
            if any(fnmatch.fnmatch(name, pattern) for pattern in wanted.keep)
        ]
        apt.run("apt-get", "download", "-qq", *names)
        found: list[Package] = []
        for deb in apt.downloads.glob("*.deb"):
            name, version, architecture = _file_name(deb.name)
            digest = _sha256(deb)
            size = deb.stat().st_size
            deb.replace(store / f"{digest}.deb")
            found.append(
                Package(
                    name=name, version=version, architecture=architecture, size=size, sha256=digest
                )
            )
    return sorted(found)


def uris(listing: str) -> list[tuple[str, str, str]]:
    """Name, version and architecture of each line that `apt-get --print-uris` printed."""
    return [_file_name(line.split()[1]) for line in listing.splitlines() if line.startswith("'")]


def mirror(targets: str) -> tuple[str, str]:
    """Debian's main archive as this machine reaches it: address and keyring (may be empty).

    `targets` is `apt-get indextargets` in the form `address|suite|keyring`, a line for each.
    Raises PackageError when there is none.
    """
    for line in targets.splitlines():
        address, suite, keyring = line.split("|")
        path = urllib.parse.urlsplit(address).path.rstrip("/")
        if path.endswith("/debian") and "security" not in suite:
            return address, "" if keyring.startswith("$(") else keyring
    raise PackageError("apt's sources on this machine name no Debian archive: add one")


class _Apt:
    """apt with its own lists, cache and status, the machine's mirror, proxies and credentials."""

    def __init__(self, wanted: Wanted, work: Path) -> None:
        self.downloads = work / "downloads"
        for folder in ("lists/partial", "cache/archives/partial", "downloads"):
            (work / folder).mkdir(parents=True)
        (work / "status").touch()
        form = "$(REPO_URI)|$(RELEASE)|$(SIGNED_BY)"
        address, keyring = mirror(
            _execute(["apt-get", "indextargets", "--format", form], os.environ)
        )
        keyring = keyring or "/usr/share/keyrings/debian-archive-keyring.gpg"
        signed = f" signed-by={keyring}" if Path(keyring).is_file() else ""
        (work / "sources.list").write_text(
            "".join(
                f"deb [arch={wanted.architecture}{signed}] {address} {suite} main\n"
                for suite in wanted.suites
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
        )
        self._environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}

    def run(self, *arguments: str) -> str:
        return _execute(arguments, self._environment, self.downloads)


def _execute(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    at: Path | None = None,
) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - argv of our own making, no shell
            arguments,
            env=environment,
            cwd=at,
            capture_output=True,
            text=True,
            check=False,
            timeout=APT_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as fault:
        raise PackageError(
            f"{arguments[0]} is not here: packages are fetched on Debian and its kin"
        ) from fault
    except subprocess.TimeoutExpired as fault:
        raise PackageError(f"{arguments[0]} took over {APT_TIMEOUT_S} s: try again") from fault
    if done.returncode:
        said = done.stderr.strip().splitlines()[-3:]
        raise PackageError(
            f"{' '.join(arguments[:2])}: {' '.join(said)}; "
            f"if a version is gone from the mirror, take what it has now: {REFRESH}"
        )
    return done.stdout


def _file_name(name: str) -> tuple[str, str, str]:
    package, version, architecture = name.removesuffix(".deb").split("_")
    return package, urllib.parse.unquote(version), architecture


def _holds(store: Path, pin: Package) -> bool:
    file = store / f"{pin.sha256}.deb"
    return file.is_file() and file.stat().st_size == pin.size


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch every set into the cache, or write the lock anew."""
    parser = argparse.ArgumentParser(
        prog="python -m qemu.board.packages", description=main.__doc__
    )
    parser.add_argument("--refresh", action="store_true", help="pin what the mirror has now")
    parser.add_argument("--cache", type=Path, default=Path(".cache/qemu"), metavar="DIR")
    chosen = parser.parse_args(arguments)
    cache: Path = chosen.cache.absolute()
    try:
        if chosen.refresh:
            lock = {name: resolve(wanted, cache) for name, wanted in SETS.items()}
            LOCK.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")
        for name in SETS:
            sys.stdout.write(f"{tree(name, cache)}\n")
    except PackageError as fault:
        sys.stderr.write(f"packages: {fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
