"""The vendor's own library signs on a TSE that is reached by USB/IP. Needs WORMAPI_DIR, see tests/realclient."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.realclient import worm
from tests.recordings.scenarios import Call
from tests.vm import shop


@pytest.mark.timeout(600)
def test_the_vendors_library_signs_through_usbip(tmp_path: Path) -> None:
    try:
        peer = worm.arm()
    except worm.Missing as reason:
        pytest.skip(str(reason))
    script = (
        "select0",
        "selftest POS-1",
        "login 2 98765",
        f"time {int(time.time())}",
        *("start POS-1 - 0", "finish POS-1 Kassenbeleg-V1 60") * 5,
        "finish POS-1 X 0 999",
        "export",
    )
    with shop.opened("usbip", tmp_path) as opened:
        calls = asyncio.run(_called(peer, opened, script))
    assert [call.code for call in calls] == [0] * 14 + [0x1008, 0]


async def _called(peer: worm.Peer, opened: shop.Shop, script: tuple[str, ...]) -> tuple[Call, ...]:
    async with peer.connected(f"https://127.0.0.1:{opened.machine.https}", opened.token) as client:
        return tuple(await client.run(script))
