"""The targets by name. Each module has a `run` that takes any bytes, and raises when something is wrong."""

import atexit
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
TARGETS = ("codec", "log_messages", "tar", "receipts", "disk_probe", "settings", "state_files", "requests")


def scratch() -> Path:
    """Make a directory for this process, in memory if possible: millions of files are written and synced."""
    memory = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def load(name: str) -> Callable[[bytes], None]:
    """Import the target with this name."""
    run: Callable[[bytes], None] = importlib.import_module(f"tests.fuzz.{name}").run
    return run
