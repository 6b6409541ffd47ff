"""The memory limit of the container, for a process without one: a control group where the machine allows it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.deploy.compose_files import load

_ROOT = Path("/sys/fs/cgroup")
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def limit() -> int:
    """`mem_limit` of compose/hardened.yaml, in bytes."""
    text = str(load("hardened.yaml")["services"]["gateway"]["mem_limit"])
    return int(text[:-1]) * _UNITS[text[-1].lower()]


@contextmanager
def limited(pid: int) -> Iterator[bool]:
    """Give the process no more than that, or be killed; False if this machine has no control groups for us."""
    for parent, name in ((_ROOT, "memory.max"), (_ROOT / "memory", "memory.limit_in_bytes")):
        group = parent / f"tse-gateway-{pid}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(str(limit()))
                (group / "cgroup.procs").write_text(str(pid))
            except OSError:
                group.rmdir()
                raise
            try:
                yield True
            finally:
                with suppress(OSError):
                    (parent / "cgroup.procs").write_text(str(pid))
                with suppress(OSError):  # it is empty only when the process has ended
                    group.rmdir()
            return
    yield False
