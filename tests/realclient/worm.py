"""The vendor's real library as a peer in tests, by way of `worm_driver.c`.

The library is never part of this project: WORMAPI_DIR names a directory where its owner
keeps it as `arm.so` (6.x, network and local) and `x64.so` (5.9.x, local).
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.recordings.scenarios import Call

SOURCE = Path(__file__).parent / "worm_driver.c"
LIBRARY = SOURCE.with_name("worm_library.h")
_ARM_ROOT = "/usr/arm-linux-gnueabihf"
_PATIENCE = 100.0  # seconds for one call; the library itself gives up after 60


class Missing(Exception):
    """The peer cannot be had on this machine; the message says what to do."""


@dataclass(frozen=True)
class Peer:
    """A library and the program that drives it, ready to run."""

    library: Path
    command: tuple[str, ...]

    @contextlib.asynccontextmanager
    async def connected(self, *where: str) -> AsyncIterator["Client"]:
        """A client of `where`: URL and token, or a directory. Calls what is asked of it, then cleans up."""
        program = await asyncio.create_subprocess_exec(
            *self.command,
            str(self.library),
            *where,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        client = Client(program)
        try:
            client.init = await client.answer()
            yield client
            await client.leave()
        finally:
            if program.returncode is None:
                program.kill()
            await program.communicate()


class Client:
    """One process with one context of the library."""

    init: Call

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        self._program = program

    async def call(self, line: str) -> Call:
        """Make one call and wait for its result."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{line}\n".encode())
        return await self.answer()

    async def run(self, script: Iterable[str]) -> list[Call]:
        """Make calls one after the other."""
        return [await self.call(line) for line in script]

    async def answer(self) -> Call:
        """The next line of the program."""
        assert self._program.stdout is not None
        line = await asyncio.wait_for(self._program.stdout.readline(), _PATIENCE)
        call = Call.parse(line.decode())
        assert call is not None, f"the client ended: {line!r}, {self._program}"
        return call

    async def die(self) -> None:
        """End like a till whose power was cut: nothing is given back."""
        self._program.kill()
        await self._program.wait()

    async def leave(self) -> None:
        """Let the library clean up and end."""
        assert self._program.stdin is not None
        if self._program.returncode is not None:
            return
        if self.init.code == 0:
            self._program.stdin.write_eof()
            cleanup = await self.answer()
            assert (cleanup.call, cleanup.code) == ("cleanup", 0)
        assert await asyncio.wait_for(self._program.wait(), _PATIENCE) == (0 if self.init.code == 0 else 1)


def arm() -> Peer:
    """The ARM library under qemu."""
    emulator = _program("qemu-arm", "qemu-user")
    compiler = _program("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf")
    return Peer(_library("arm.so"), (emulator, "-L", _ARM_ROOT, str(_built(compiler))))


def x64() -> Peer:
    """The x86-64 library."""
    return Peer(_library("x64.so"), (str(_built(_program("gcc", "gcc"))),))


def _library(name: str) -> Path:
    directory = os.environ.get("WORMAPI_DIR")
    if not directory:
        raise Missing("the vendor's library is not here: let WORMAPI_DIR name the directory that holds it")
    library = Path(directory).expanduser() / name
    if not library.is_file():
        raise Missing(f"WORMAPI_DIR holds no {name}")
    return library


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (Debian package {package})")
    return found


def _built(compiler: str) -> Path:
    """The driver program, compiled once for each version of its source."""
    version = hashlib.sha256(SOURCE.read_bytes() + LIBRARY.read_bytes()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tse-gateway-tests"
    built = base / f"{Path(compiler).name}-{version}" / "worm_driver"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as workshop:
            made = Path(workshop) / built.name
            subprocess.run([compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-o", made, SOURCE, "-ldl"], check=True)
            made.replace(built)
    return built
