"""Debian packages of any architecture and suite, fetched without touching the system.

A private apt configuration names the suites; the mirrors are those this machine already uses.
A lock says which bytes are wanted: a package is known by its SHA-256, never by its name.
"""

import fnmatch
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from boards.image.errors import PackageError

APT_TIMEOUT = 900
"""Seconds for one run of apt: a hundred megabytes over a slow line."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

Say = Callable[[str], None]
"""Told what goes on, a line at a time."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a set holds: `roots` with all they depend on, narrowed to names matching `keep`."""

    architecture: str
    suites: tuple[str, ...]
    """The first with its security updates; the last is preferred."""
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


Lock = dict[str, list[Package]]


class Pinned:
    """Sets of packages with the lock that pins them; `cache` holds them by content.

    Any process may share a cache: everything in it appears whole or not at all.
    """

    def __init__(self, sets: Mapping[str, Wanted], lock: Path, refresh: str) -> None:
        """`refresh` is the command that writes the lock anew: errors name it as the remedy."""
        self._sets = sets
        self._path = lock
        self._refresh = refresh

    def read_lock(self, path: Path | None = None) -> Lock:
        """The pinned packages of every set; raises PackageError."""
        path = path or self._path
        try:
            return msgspec.json.decode(path.read_bytes(), type=Lock)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise PackageError(f"{path}: {fault}; write it anew: {self._refresh}") from fault

    def refresh_lock(self, cache: Path, say: Say) -> Lock:
        """Pin what the mirrors have now, and write it down."""
        lock: Lock = {}
        for name, wanted in self._sets.items():
            lock[name] = self._resolve(wanted, cache)
            say(f"{name}: {len(lock[name])} packages")
        self._path.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")
        return lock

    def unpacked(self, name: str, lock: Lock, cache: Path, say: Say) -> Mapping[Package, Path]:
        """Every package of a set with the directory it lies unpacked in.

        Raises PackageError when the set is unknown or a package is gone from the mirrors.
        """
        found: dict[Package, Path] = {}
        for pin in self._pins(name, lock):
            found[pin] = cache / "unpacked" / pin.sha256
            if not found[pin].is_dir():
                (deb,) = self._fetch(name, [pin], lock, cache, say)
                _unpack([deb], found[pin])
        return found

    def files(self, name: str, lock: Lock, cache: Path, say: Say) -> Mapping[Package, Path]:
        """Every package of a set as the file that `dpkg-deb` reads; raises as `unpacked`."""
        pins = self._pins(name, lock)
        return dict(zip(pins, self._fetch(name, pins, lock, cache, say), strict=True))

    def tree(self, name: str, lock: Lock, cache: Path, say: Say) -> Path:
        """One directory with all packages of a set unpacked into it; raises as `unpacked`."""
        pins = self._pins(name, lock)
        digest = hashlib.sha256("".join(pin.sha256 for pin in pins).encode()).hexdigest()
        made = cache / "trees" / f"{name}-{digest[:16]}"
        if not made.is_dir():
            _unpack(self._fetch(name, pins, lock, cache, say), made)
        return made

    def _pins(self, name: str, lock: Lock) -> Sequence[Package]:
        if name not in lock or name not in self._sets:
            raise PackageError(f"no package set {name!r}; there are {', '.join(self._sets)}")
        return lock[name]

    def _fetch(
        self, name: str, pins: Sequence[Package], lock: Lock, cache: Path, say: Say
    ) -> list[Path]:
        """The packages as files; one missing fetches all that is missing of the set."""
        store = _store(cache)
        if any(not _holds(store, pin) for pin in pins):
            missing = [pin for pin in lock[name] if not _holds(store, pin)]
            megabytes = sum(pin.size for pin in missing) / 1e6
            say(f"packages: fetching {len(missing)} of {name}, {megabytes:.1f} MB")
            self._download(self._sets[name], missing, store)
        return [store / f"{pin.sha256}.deb" for pin in pins]

    def _download(self, wanted: Wanted, missing: Sequence[Package], store: Path) -> None:
        with tempfile.TemporaryDirectory(dir=store) as work:
            apt = _Apt(wanted, Path(work), self._refresh)
            apt.update()
            apt.download([f"{pin.name}:{pin.architecture}={pin.version}" for pin in missing])
            found = {sha256_of(deb): deb for deb in apt.downloads.glob("*.deb")}
            for pin in missing:
                if pin.sha256 not in found:
                    raise PackageError(
                        f"{pin.name} {pin.version}: the mirror's bytes are not the pinned ones; "
                        f"take what it has now: {self._refresh}"
                    )
                found[pin.sha256].replace(store / f"{pin.sha256}.deb")

    def _resolve(self, wanted: Wanted, cache: Path) -> list[Package]:
        store = _store(cache)
        with tempfile.TemporaryDirectory(dir=store) as work:
            apt = _Apt(wanted, Path(work), self._refresh)
            apt.update()
            # Naming a suite puts it before all others, its own security updates among them.
            preferred = ("-t", wanted.suites[-1]) if len(wanted.suites) > 1 else ()
            listing = apt.run(
                *("apt-get", "install", "--no-install-recommends", "--print-uris", "-qq"),
                *preferred,
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


def _pin(deb: Path, store: Path) -> Package:
    name, version, architecture = _file_name(deb.name)
    pin = Package(
        name=name,
        version=version,
        architecture=architecture,
        size=deb.stat().st_size,
        sha256=sha256_of(deb),
    )
    deb.replace(store / f"{pin.sha256}.deb")
    return pin


def _unpack(files: Iterable[Path], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))
    work.chmod(0o755)
    try:
        for deb in files:
            _execute(["dpkg-deb", "--extract", str(deb), str(work)], os.environ)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # else somebody else made the same meanwhile
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Apt:
    """apt with its own lists, cache and status; the machine's mirrors, proxies and credentials."""

    def __init__(self, wanted: Wanted, work: Path, refresh: str) -> None:
        self._refresh = refresh
        self.downloads = work / "downloads"
        for folder in ("lists/partial", "cache/archives/partial", "downloads"):
            (work / folder).mkdir(parents=True)
        (work / "status").touch()
        targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(LABEL)"]
        known = mirrors(_execute(targets, os.environ))
        (work / "sources.list").write_text(_sources(wanted, known))
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
        try:
            return _execute(arguments, self._environment, self.downloads)
        except PackageError as fault:
            raise PackageError(
                f"{fault}; if a version is gone from the mirror, take what it has now: "
                f"{self._refresh}"
            ) from fault

    def update(self) -> None:
        """Get the lists; one that did not come is an error, where apt would take its versions for gone."""
        options = ("Acquire::Retries=3", "APT::Update::Error-Mode=any")
        self.run("apt-get", "update", "-qq", *(f"-o{option}" for option in options))

    def download(self, names: Sequence[str]) -> None:
        self.run("apt-get", "download", "-qq", *names)


def _sources(wanted: Wanted, known: Mapping[str, str]) -> str:
    signed = f" signed-by={_KEYRING}" if Path(_KEYRING).is_file() else ""
    from_archives = [(known["debian"], suite) for suite in wanted.suites]
    if "debian-security" in known:
        from_archives.append((known["debian-security"], f"{wanted.suites[0]}-security"))
    return "".join(
        f"deb [arch={wanted.architecture}{signed}] {address} {suite} "
        f"{' '.join(wanted.components)}\n"
        for address, suite in from_archives
    )


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
            f"{arguments[0]} is not here: packages are fetched on Debian and its kin"
        ) from fault
    except subprocess.TimeoutExpired as fault:
        raise PackageError(f"{arguments[0]} took over {APT_TIMEOUT} s: try again") from fault
    if done.returncode:
        said = " ".join(done.stderr.strip().splitlines()[-3:])
        raise PackageError(f"{' '.join(arguments[:2])}: {said}")
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
