"""kill -9 at any step of an upload leaves nothing half written at the target, and the next upload goes on."""

import multiprocessing
from pathlib import Path

from gateway.archive.targets.directory import DirectoryTarget
from tests.archive.conftest import Shop
from tests.archive.targets.killed_upload import kill_at_each_step, upload_once


async def test_whatever_step_a_kill_hits_the_target_is_right_and_the_next_upload_goes_on(
    shop: Shop, tmp_path: Path
) -> None:
    shop.directory = tmp_path / "before" / "archive"
    (tmp_path / "before" / "share").mkdir(parents=True)
    shop.restart()
    for _ in range(2):
        await shop.sell(1)
        await shop.run()
    process = multiprocessing.get_context("spawn").Process(  # this one has threads, and must not be forked
        target=kill_at_each_step, args=(tmp_path / "before", tmp_path / "after", shop.serial)
    )
    process.start()
    process.join(90)
    assert process.exitcode == 0
    killed = sorted((tmp_path / "after").iterdir())
    assert 15 < len(killed) < 100
    for root in killed:
        share = DirectoryTarget(root / "share")
        for file in share.files():
            assert b"".join(share.read(file.key)) == (shop.folder / file.key.rpartition("/")[2]).read_bytes()
        assert upload_once(root, shop.serial).state.last == "0001-000002.tar"
        assert {file.key.rpartition("/")[2] for file in share.files()} == {
            f"0001-00000{number}.{kind}" for number in (1, 2) for kind in ("tar", "json")
        }
