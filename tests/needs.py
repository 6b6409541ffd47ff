"""What some tests need of the machine; without it they skip and say what to install."""

import os
import shutil
import subprocess
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


def _namespaces_are_there() -> bool:
    """May an ordinary user mount a file system of its own?"""
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(mount, capture_output=True, check=False).returncode
    )


LOOP = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists(), reason="loop devices need root and /dev/loop-control"
)
FUSE = pytest.mark.skipif(not _fuse_is_there(), reason="a mounted TSE needs /dev/fuse and the package fuse3")
TERMINAL = pytest.mark.skipif(not _terminals_are_there(), reason="needs pseudo terminals (/dev/pts)")
CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="needs the package curl")
OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the package openssl")
NAMESPACES = pytest.mark.skipif(not _namespaces_are_there(), reason="needs unshare (util-linux) and user namespaces")
