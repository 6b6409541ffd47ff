"""The gateway of a shop, and one till."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.shop import Served, Till, serve, settings_for, till_of


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(settings_for(tmp_path)) as running:
        yield running


@pytest.fixture
async def till(served: Served) -> AsyncIterator[Till]:
    async with till_of(served) as made:
        yield made
