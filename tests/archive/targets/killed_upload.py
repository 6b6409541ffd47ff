"""Uploads an archive in a process of its own, and is killed at a step that its parent chose."""

import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

from gateway.archive.directory import ArchiveDirectory
from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.upload import ArchiveUpload
from tests.archive.killed_run import KillSwitch

_MOST = 200


def upload_once(root: Path, serial: str) -> ArchiveUpload:
    """Upload the archive below `root` to the share there."""
    directory = ArchiveDirectory(root / "archive", serial)
    upload = ArchiveUpload(directory, "hamburg", "share")
    upload.run(lambda: DirectoryTarget(root / "share"), directory.index(), datetime.now(UTC))
    return upload


def kill_at_each_step(before: Path, after: Path, serial: str) -> None:
    """Leave a copy of `before` in `after` for each step that reaches a disk, killed there; the last one came through.

    Each is a fork of this process, which has no threads.
    """
    for step in range(1, _MOST):
        copy = after / f"{step:03}"
        shutil.copytree(before, copy)
        child = os.fork()
        if not child:
            KillSwitch(step).arm()
            upload_once(copy, serial)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), f"step {step}: {code}"
        if not code:
            return
