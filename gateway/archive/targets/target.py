"""What an archive needs of a target: to put a file once, to read it and to list it. Everything here blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import quote, unquote

from gateway.archive.manifest import is_name
from gateway.errors import GatewayError

CHUNK = 256 * 1024  # bytes that are read or written at once
_SERIAL = re.compile(r"[0-9A-F]{64}")
_CHAIN = re.compile(r"[0-9a-f]{12}")


class TargetFailed(GatewayError):
    """The target cannot be used now; what it holds already is as it was."""

    code = "target_failed"


class TargetUnreachable(TargetFailed):
    """The target does not answer, or the line was cut."""

    code = "target_unreachable"


class TargetRefused(TargetFailed):
    """The target does not let this gateway do it: look at key, secret, rights and clock."""

    code = "target_refused"


class TargetFull(TargetFailed):
    """The target has no room left."""

    code = "target_full"


class TargetDiffers(GatewayError):
    """The target holds another file under this name than was written, or none at all."""

    code = "target_differs"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a target and its size in bytes."""

    key: str
    size: int


class Target(Protocol):
    """A place that keeps files by their key, such as `hamburg/E15E.../5f0c2a9b41d7/0001-000001.tar`.

    One thread uses it at a time, within a `with` block, at whose end connections are closed. Every method may raise
    `TargetFailed`.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def put(self, key: str, source: Path) -> None:
        """Keep a copy of `source`. If there is a file with this key, it is left as it is; a cut leaves none."""

    def read(self, key: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yield `size` bytes from `start`, by default all.

        Raises:
            TargetDiffers: there is no such file.
        """

    def files(self, beginning: str = "") -> Iterator[StoredFile]:
        """Yield the files whose key begins so, in any order; `beginning` is empty or ends with a slash."""


@dataclass(frozen=True, slots=True, order=True)
class ManifestChain:
    """The manifests of one TSE that hold one another's hashes, at one site.

    `identity` is the beginning of the SHA-256 of the first manifest, or of the first one that another gateway had
    written otherwise. A gateway that lost its archive, or got an older one back, begins a new chain; both are kept.
    """

    site: str
    serial: str
    identity: str

    @property
    def beginning(self) -> str:
        """What the keys of its files begin with. The site is percent-encoded, so that any name can be a folder."""
        site = f"{quote(self.site, safe='')}/" if self.site else ""
        return f"{site}{self.serial}/{self.identity}/"

    def key(self, name: str) -> str:
        """Return the key of the file with this name."""
        return self.beginning + name


def chain_and_name(key: str) -> tuple[ManifestChain, str] | None:
    """Return whose file has this key, and its name; `None` if it is none of an archive."""
    *site, serial, identity, name = ["", *key.split("/")][-4:] if key.count("/") >= 2 else ["", "", "", ""]
    if not (_SERIAL.fullmatch(serial) and _CHAIN.fullmatch(identity) and (is_name(name) or is_verification(name))):
        return None
    return ManifestChain(unquote("/".join(site)), serial, identity), name


_VERIFICATION = re.compile(r"verified-[0-9]{8}T[0-9]{6}Z\.json")


def is_verification(name: str) -> bool:
    """Tell whether this is the name of the report of a yearly verification."""
    return _VERIFICATION.fullmatch(name) is not None
