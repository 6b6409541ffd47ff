"""What a target holds: the chains of each TSE, and their manifests, read by several threads. Everything here blocks."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from gateway.archive.manifest import Manifest, digest
from gateway.archive.targets.target import ManifestChain, Target, TargetDiffers, chain_and_name
from gateway.storage import strict_json

_THREADS = 8  # a manifest is small, so its time is that of the way to the target and back

Connect = Callable[[], Target]


@dataclass(frozen=True, slots=True)
class StoredChain:
    """The files of one chain at a target: sizes in bytes by name."""

    chain: ManifestChain
    files: Mapping[str, int]

    @property
    def manifests(self) -> list[str]:
        """The names of its manifests in their order."""
        return sorted(name for name in self.files if name[0].isdigit() and name.endswith(".json"))


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it lies at a target; `manifest` is `None` if it is none, or belongs elsewhere."""

    name: str
    content: bytes
    manifest: Manifest | None

    @property
    def sha256(self) -> str:
        return digest(self.content)


def stored_chains(target: Target, serial: str = "") -> list[StoredChain]:
    """Return the chains of all TSEs whose serial begins so, by site and serial."""
    found: dict[ManifestChain, dict[str, int]] = defaultdict(dict)
    for file in target.files():
        known = chain_and_name(file.key)
        if known is not None and known[0].serial.startswith(serial):
            found[known[0]][known[1]] = file.size
    return [StoredChain(chain, found[chain]) for chain in sorted(found)]


class Reader:
    """Threads that read from a target, each with a connection of its own until the end of the block."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._own = threading.local()
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive target")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._opened.close()

    def manifests(self, stored: StoredChain) -> Iterator[StoredManifest]:
        """Yield the manifests of a chain in their order."""

        def read(name: str) -> StoredManifest:
            content = b"".join(self._target().read(stored.chain.key(name)))
            return StoredManifest(name, content, _manifest(stored.chain, name, content))

        return self._threads.map(read, stored.manifests)

    def hashes(self, stored: StoredChain, names: list[str]) -> Iterator[str]:
        """Yield the SHA-256 (hex) of each of the files; all of them are read. Empty: it is missing."""

        def read(name: str) -> str:
            found = hashlib.sha256()
            try:
                for chunk in self._target().read(stored.chain.key(name)):
                    found.update(chunk)
            except TargetDiffers:
                return ""
            return found.hexdigest()

        return self._threads.map(read, names)

    def _target(self) -> Target:
        target: Target | None = getattr(self._own, "target", None)
        if target is None:
            with self._lock:
                target = self._own.target = self._opened.enter_context(self._connect())
        return target


def _manifest(chain: ManifestChain, name: str, content: bytes) -> Manifest | None:
    try:
        found = Manifest.model_validate(strict_json.parse(content))
    except ValueError:
        return None
    return found if found.serial == chain.serial and found.file == name.replace(".json", ".tar") else None
