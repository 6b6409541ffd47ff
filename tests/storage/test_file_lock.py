"""One owner at a time."""

import os
import threading
from pathlib import Path

import pytest

from gateway.storage.file_lock import open_locked


def test_a_second_owner_is_refused_until_the_first_has_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = open_locked(path)
    with pytest.raises(BlockingIOError):
        open_locked(path)
    os.close(first)
    os.close(open_locked(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_owner_may_wait_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = open_locked(path)
    entered = threading.Event()

    def second() -> None:
        handle = open_locked(path, wait=True)
        entered.set()
        os.close(handle)

    thread = threading.Thread(target=second)
    thread.start()
    assert not entered.wait(0.05)
    os.close(first)
    assert entered.wait(10)
    thread.join()
