"""The vendor's library 5.9, which knows generation 1 and files only, with the drive of a TSE of generation 2."""

from pathlib import Path

from gateway.app.gateway import running
from gateway.config.settings import Settings
from tests.needs import FUSE
from tests.realclient.test_drive import drive_of, tse_of
from tests.realclient.worm import Peer
from tests.recordings.scenarios import Call
from tests.support import set_up_generation_2

pytestmark = FUSE
DAY = (
    *("info", "selftest POS-1", "login 2 98765", "time 1795921300", "logout 2"),
    *("start POS-1 Kassenbeleg-V1 10", "update POS-1 Kassenbeleg-V1 30", "listtx POS-1 0"),
    *("finish POS-1 Kassenbeleg-V1 60", "last POS-1", "cert", "health", "ftx 1 1 POS-1", "ftime 0 1999999999 POS-1"),
    *("incr", "entries 1", "login 1 12345", "listclients 0", "reg POS-2", "listclients 0", "dereg POS-2"),
    *("chpin 1 12345 22222", "login 2 99999", "unblock 2 123456 54322", "export", "login 1 22222", "delete", "info"),
)


async def day(settings: Settings, tmp_path: Path, x64: Peer, *old_tills: str) -> list[Call]:
    """What comes back, with a TSE that was set up and lost power."""
    settings = settings.model_copy(update={"simulator_generation": 2, "old_tills": old_tills})
    async with running(settings) as served:
        await set_up_generation_2(served.registry.devices()[0].command, tse_of(served).serial)
        tse_of(served).power_cycle()
        async with drive_of(served, settings, tmp_path / "drive") as place, x64.connected(place) as client:
            return await client.run(DAY)


async def test_a_till_with_the_old_library_behaves_as_with_generation_1(
    settings: Settings, tmp_path: Path, x64: Peer
) -> None:
    calls = await day(settings, tmp_path, x64, "all")
    assert {call.call: call.code for call in calls if call.code} == {"login 2 99999": 0x1100}


async def test_without_translation_it_cannot_even_make_the_tse_ready(
    settings: Settings, tmp_path: Path, x64: Peer
) -> None:
    calls = await day(settings, tmp_path, x64)
    assert {call.call for call in calls if not call.code} == {"info", "health", "entries 1"}
