"""A block image as one file of a real file system, so that a driver opens it with O_DIRECT."""

import contextlib
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.simulator.image import TseImage
from gateway.tse.sectors import SECTOR

_NAME = "/disk"


class _Disk:
    use_ns = True

    def __init__(self, image: TseImage, ready: threading.Event) -> None:
        self._image = image
        self._ready = ready
        self._folder = Path.cwd()

    def init(self, _path: str) -> None:
        os.chdir(self._folder)  # libfuse goes to / even in the foreground
        self._ready.set()

    def readdir(self, _path: str, _handle: int) -> list[str]:
        return [".", "..", _NAME[1:]]

    def getattr(self, path: str, _info: object = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != _NAME:
            raise FileNotFoundError(2, "no such file")
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._image.num_blocks * SECTOR}

    def open(self, _path: str, info: Any) -> int:
        info.direct_io = 1
        return 0

    def read(self, _path: str, size: int, offset: int, _info: object) -> bytes:
        return self._image.read(offset // SECTOR, size // SECTOR)

    def write(self, _path: str, data: bytes, offset: int, _info: object) -> int:
        self._image.write(offset // SECTOR, len(data) // SECTOR, data)
        return len(data)


@contextlib.contextmanager
def served(image: TseImage, directory: Path) -> Iterator[Path]:
    """The image as a file in `directory`, for the time of the `with` block."""
    import mfusepy  # needs libfuse, which not every machine has

    directory.mkdir()
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: mfusepy.FUSE(_Disk(image, ready), str(directory), raw_fi=True, foreground=True), daemon=True
    )
    thread.start()
    assert ready.wait(10)
    try:
        yield directory / _NAME[1:]
    finally:
        subprocess.run(["fusermount3", "-u", "-z", str(directory)], check=True)
        thread.join(1)  # a call that hangs in the TSE keeps it
