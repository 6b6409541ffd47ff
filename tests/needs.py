"""What some tests need of the machine; without it they skip and say what to install."""

import os
import shutil
from pathlib import Path

import pytest


def _fuse_is_there() -> bool:
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError):  # OSError: the module is there, libfuse is not
        return False
    return shutil.which("fusermount3") is not None and Path("/dev/fuse").exists()


def _terminals_are_there() -> bool:
    try:
        ends = os.openpty()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


FUSE = pytest.mark.skipif(not _fuse_is_there(), reason="a mounted TSE needs /dev/fuse and the package fuse3")
TERMINAL = pytest.mark.skipif(not _terminals_are_there(), reason="needs pseudo terminals (/dev/pts)")
OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the package openssl")
