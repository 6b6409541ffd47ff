"""Brings the archive of a TSE back from a target, on a machine that has nothing else. Everything here blocks."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.archive.check import sha256_of
from gateway.archive.directory import ArchiveDirectory
from gateway.archive.errors import NothingArchived, unwritable
from gateway.archive.manifest import Manifest
from gateway.archive.targets.stored import Connect, Reader, StoredChain, StoredManifest, stored_chains
from gateway.archive.targets.target import Target, TargetDiffers
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage.atomic import make_directory, replace_file

_BROKEN = Text(
    "{file}: it is no manifest, or the one before it is missing or changed",
    "{file}: das ist kein Manifest, oder das davor fehlt oder ist geändert",
)


@dataclass(frozen=True, slots=True)
class RestoredChain:
    """A chain that was brought back into `directory`; `faults` are the files that are not as they were written."""

    directory: Path
    segments: int
    bytes: int
    last_counter: int | None
    faults: list[Text]


def restore_archive(
    connect: Connect, serial: str, root: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> list[RestoredChain]:
    """Bring back all chains of the TSE whose serial begins so.

    The chain that goes furthest becomes the archive in `root`, where a gateway goes on with it; others lie beside it.
    What is there already and right is kept, so that a restore that broke off goes on. `progress` takes the bytes done,
    and those in all.

    Raises:
        NothingArchived: the target holds no TSE with this serial.
        ConfigurationError: several TSEs have a serial that begins so, or there is another archive in `root`.
        TargetFailed: the target cannot be read.
        ArchiveNotWritten: there is no room.
    """
    with connect() as target, Reader(connect) as reader:
        chains = _chosen(stored_chains(target, serial.upper()), serial)
        found = [(stored, list(reader.manifests(stored))) for stored in chains]
        found.sort(key=lambda pair: _last_counter(pair[1]) or 0, reverse=True)
        total = sum(stored.files.get(name, 0) for stored, _ in found for name in stored.files)
        done = 0

        def copied(size: int) -> None:
            nonlocal done
            done += size
            progress(done, total)

        restored = []
        for number, (stored, manifests) in enumerate(found):
            own = ArchiveDirectory(root, stored.chain.serial)
            folder = own.path if number == 0 else own.path.with_name(f"{own.serial}.{stored.chain.identity}")
            _refuse_another(folder, manifests)
            restored.append(_restore(target, stored, manifests, folder, copied))
        return restored


def _restore(
    target: Target, stored: StoredChain, manifests: list[StoredManifest], folder: Path, copied: Callable[[int], None]
) -> RestoredChain:
    faults: list[Text] = []
    previous: str | None = None
    for found in manifests:
        manifest = found.manifest
        if manifest is None or manifest.previous != previous:
            faults.append(_BROKEN.filled(file=found.name))
        try:
            make_directory(folder)
            if manifest is not None and not _is_there(folder / manifest.file, manifest):
                key = stored.chain.key(manifest.file)
                _fetch(target, key, folder / manifest.file, manifest.sha256, copied)
            replace_file(folder / found.name, found.content, durable=False)
        except TargetDiffers as error:
            faults.append(error.text)
        except OSError as error:
            raise unwritable(folder / found.name, error) from None
        previous = found.sha256
    for name in sorted(name for name in stored.files if name.endswith(".tsr")):
        replace_file(folder / name, b"".join(target.read(stored.chain.key(name))), durable=False)
    os.sync()  # once: to bring each file to the disk by itself takes longer than to fetch it
    size = sum(found.manifest.size for found in manifests if found.manifest)
    return RestoredChain(folder, len(manifests), size, _last_counter(manifests), faults)


def _fetch(target: Target, key: str, path: Path, sha256: str, copied: Callable[[int], None]) -> None:
    draft = path.with_name(".draft.tar")
    found = hashlib.sha256()
    try:
        with draft.open("wb") as file:
            for chunk in target.read(key):
                file.write(chunk)
                found.update(chunk)
                copied(len(chunk))
        if found.hexdigest() != sha256:
            raise TargetDiffers(
                Text(
                    "{key} has another SHA-256 than was written", "{key} hat eine andere SHA-256, als geschrieben wurde"
                ),
                key=key,
            )
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def _chosen(chains: list[StoredChain], serial: str) -> list[StoredChain]:
    serials = sorted({stored.chain.serial for stored in chains})
    if not serials:
        raise NothingArchived(
            Text(
                "the target holds no TSE whose serial begins with {serial!r}",
                "im Ziel liegt keine TSE, deren Seriennummer mit {serial!r} beginnt",
            ),
            serial=serial[:64],
        )
    if len(serials) > 1:
        listed = "".join(f"\n  {name}" for name in serials)
        raise ConfigurationError(
            Text(
                "the target holds several TSEs: name one by the beginning of its serial{listed}",
                "im Ziel liegen mehrere TSEs: eine mit dem Beginn ihrer Seriennummer nennen{listed}",
            ),
            listed=listed,
        )
    return chains


def _refuse_another(folder: Path, manifests: list[StoredManifest]) -> None:
    for found in manifests:
        path = folder / found.name
        if path.exists() and path.read_bytes() != found.content:
            raise ConfigurationError(
                Text(
                    "{path} is of another archive: restore into an empty directory",
                    "{path} gehört zu einem anderen Archiv: in ein leeres Verzeichnis zurückholen",
                ),
                path=path,
            )


def _is_there(path: Path, manifest: Manifest) -> bool:
    return path.is_file() and path.stat().st_size == manifest.size and sha256_of(path) == manifest.sha256


def _last_counter(manifests: list[StoredManifest]) -> int | None:
    found = [it.manifest.last_counter for it in manifests if it.manifest and it.manifest.last_counter is not None]
    return max(found, default=None)
