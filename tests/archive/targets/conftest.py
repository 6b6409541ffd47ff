"""A shop whose archive is copied to a directory, as a mounted share would be."""

from pathlib import Path

import pytest

from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.upload import ArchiveUpload
from tests.archive.conftest import Shop, shop

__all__ = ["shop"]


class Copies:
    """The shop and its share; `upload` is what the gateway does when a segment was written."""

    def __init__(self, shop: Shop, share: Path) -> None:
        self.shop = shop
        self.share = share
        share.mkdir()
        self.restart()

    def restart(self) -> None:
        self.shop.restart(targets=["share"], site="Köln/Süd")

    def target(self) -> DirectoryTarget:
        return DirectoryTarget(self.share)

    async def run_and_upload(self, receipts: int = 1) -> None:
        await self.shop.sell(receipts)
        await self.shop.run()
        await self.upload()

    async def state(self) -> ArchiveUpload:
        return (await self.shop.archives.of(self.shop.device)).uploads["share"]

    async def upload(self, target: DirectoryTarget | None = None) -> None:
        archive = await self.shop.archives.of(self.shop.device)
        archive.uploads["share"].run(lambda: target or self.target(), archive.index, self.shop.now)

    def files(self, pattern: str = "*") -> list[Path]:
        return sorted(path for path in self.share.rglob(pattern) if path.is_file())

    def names(self) -> list[str]:
        return [path.name for path in self.files()]


@pytest.fixture
async def copies(shop: Shop, tmp_path: Path) -> Copies:
    return Copies(shop, tmp_path / "share")
