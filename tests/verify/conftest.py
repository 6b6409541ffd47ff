"""Files of a test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.verify.files import Options, verify_file
from gateway.verify.findings import FileReport

Check = Callable[..., FileReport]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Verify bytes as a file named `export.tar`, or as named."""

    def verify(data: bytes, options: Options | None = None, *, name: str = "export.tar") -> FileReport:
        (tmp_path / name).unlink(missing_ok=True)  # one that is written over is brought to the disk each time (ext4)
        (tmp_path / name).write_bytes(data)
        return verify_file(str(tmp_path / name), options)

    return verify
