"""Where audit packages are made."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PackagePlace:
    """`directory` takes the files while a package is made, one at a time; `least_free` bytes stay free beside them.

    `archives`: whether the gateway keeps archives, and may write them. `trust`: root certificates. `lists`: the
    directory of revocation lists, fetched or put there. `site`: for the cover.
    """

    directory: Path
    lists: Path
    archives: bool
    trust: tuple[Path, ...]
    site: str
    least_free: int
    made: asyncio.Lock = field(default_factory=asyncio.Lock)
