"""The list of places: whatever sysfs and the table of mounts say, it comes to an answer."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.driver.usb.block_devices import candidates
from tests.fake_host import FakeHost, tse_disk


def test_a_host_without_sysfs_or_mounts_has_no_places(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    roots = host.roots
    for missing in (roots.mounts, roots.sys / "block"):
        missing.rename(tmp_path / missing.name)
    assert candidates(roots) == ()


def test_a_disk_that_vanishes_while_it_is_listed_is_left_out(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    host.plug("sda", tse_disk())
    (host.root / "sys/block/sda/dev").unlink()
    (host.root / "sys/block/gone").symlink_to(host.root / "nowhere")
    assert candidates(host.roots) == ()


def test_a_named_node_that_is_not_there_is_a_candidate_that_nobody_knows(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    host.plug("sda", tse_disk())
    missing = host.roots.dev / "disk/by-id/gone"
    (found,) = candidates(host.roots, [missing], everywhere=False)
    assert (found.path, found.named, found.key, found.number) == (missing, True, "", "")


@settings(deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=300))
def test_any_table_of_mounts_is_read(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        host = FakeHost(Path(directory) / "host")
        host.roots.mounts.write_text(text)
        assert all(place.path.parts for place in candidates(host.roots))
