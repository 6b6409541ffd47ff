"""A gateway process under attack, and the till that goes on selling: how long receipts take, what the process eats."""

import asyncio
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.tse.commands import TransactionStep
from tests.lan_client import LanClient
from tests.support import CLIENT, set_up

_SERVES = re.compile(r"serves on port (\d+)")
_START = 60.0  # seconds, on a machine that does other things as well
_PROCESS_DATA = b"Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar"


@dataclass(frozen=True)
class Times:
    """How long receipts took, in seconds."""

    receipts: tuple[float, ...]

    @property
    def p50(self) -> float:
        return statistics.median(self.receipts)

    @property
    def p99(self) -> float:
        return sorted(self.receipts)[min(len(self.receipts) - 1, int(0.99 * len(self.receipts)))]

    @property
    def longest(self) -> float:
        return max(self.receipts)


@dataclass(frozen=True)
class Measured:
    """One attack: what it sent, what the till and the process felt of it."""

    attack: str
    told: dict[str, int]
    before: Times
    during: Times
    peak: int
    log_lines: int

    def line(self) -> list[str]:
        """For a table: milliseconds, mebibytes."""
        times = [f"{1000 * seconds:.0f}" for seconds in _shown(self.before) + _shown(self.during)]
        ratio = f"{self.during.p50 / self.before.p50:.1f}"
        told = ", ".join(f"{count:,} {what}" for what, count in self.told.items())
        return [self.attack, told, *times, ratio, f"{self.peak / 2**20:.0f}", str(self.log_lines)]


COLUMNS = (
    "attack",
    "sent",
    "p50",
    "p99",
    "max",
    "p50 under",
    "p99 under",
    "max under",
    "ratio",
    "RSS MiB",
    "log lines",
)


def _shown(times: Times) -> tuple[float, float, float]:
    return times.p50, times.p99, times.longest


class Shop:
    """A gateway as a process of its own, set up, and a till with a kept connection."""

    def __init__(self, state_dir: Path, log_file: Path, pid: int, port: int) -> None:
        self._state_dir, self._log_file, self.pid, self.port = state_dir, log_file, pid, port
        self.till = LanClient(port, self.token)

    @property
    def token(self) -> str:
        return (self._state_dir / "api_token").read_text().strip()

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    @property
    def peak(self) -> int:
        """The most memory that the process had since `forget_peak`, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

    @property
    def open_files(self) -> int:
        """How many it has open now."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        """What it has now, in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    async def open(self) -> None:
        """Make the TSE ready for sales if it is not yet."""
        await self.till.select()
        async with self.till.locked():
            await set_up(self.till.send_command, bytes.fromhex(self.till.serial))

    async def sell(self) -> float:
        """One receipt as a POS does it; the seconds that it took."""
        began = time.perf_counter()
        async with self.till.locked():
            started = await self.till.sign(TransactionStep.START, CLIENT, 0, b"", b"")
            await self.till.sign(
                TransactionStep.FINISH, CLIENT, started.transaction_number, _PROCESS_DATA, b"Kassenbeleg-V1"
            )
        return time.perf_counter() - began

    async def sell_until(self, done: "asyncio.Task[dict[str, int]]") -> Times:
        """Receipt after receipt while something goes on, and one that begins in it at least."""
        receipts = [await self.sell()]
        while not done.done():
            receipts.append(await self.sell())
        return Times(tuple(receipts))

    async def metric(self, series: str) -> float:
        """The value of a series, 0 if there is none."""
        _, text = await self.till._exchange("GET", "/metrics", b"")
        found = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line.startswith(series)]
        return sum(float(value) for name, value in found if name == series)

    async def newcomer(self) -> float:
        """The seconds until a till with a new connection has its answer."""
        began = time.perf_counter()
        client = LanClient(self.port, self.token)
        try:
            await client.select()
            return time.perf_counter() - began
        finally:
            await client.close()

    async def undisturbed(self, count: int = 80) -> Times:
        """So many receipts while nothing else goes on."""
        return Times(tuple([await self.sell() for _ in range(count)]))

    async def suffer(self, attack: str, seconds: float, before: Times) -> Measured:
        """Sell while `tests.hostile.attacker` does what it is told."""
        self.forget_peak()
        lines = self.log.count("\n")
        told = asyncio.create_task(self.attacked(attack, seconds))
        during = await self.sell_until(told)
        return Measured(attack, await told, before, during, self.peak, self.log.count("\n") - lines)

    async def attacked(self, attack: str, seconds: float) -> dict[str, int]:
        """What the attacker sent."""
        attacker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.attacker", str(self.port), attack, str(seconds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(120):
                told, _ = await attacker.communicate(f"{self.token}\n{self.till.serial}\n".encode())
        finally:
            if attacker.returncode is None:
                attacker.kill()
                await attacker.wait()
        assert attacker.returncode == 0
        counts: dict[str, int] = json.loads(told)
        return counts


@asynccontextmanager
async def shop(state_dir: Path, *, till: bool = True, **environment: str) -> AsyncIterator[Shop]:
    """A gateway that serves one simulated TSE, ready for sales if there is a till."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    with (state_dir / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--simulator", "1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={
                **plain,
                "GATEWAY_STATE_DIR": str(state_dir),
                "GATEWAY_PORT": "0",
                "GATEWAY_BIND": "127.0.0.1",
                "GATEWAY_ADDRESS": "127.0.0.1",
                "GATEWAY_NTP_SERVERS": "none",
                "GATEWAY_SIMULATOR_FRESH": "true",
                **environment,
            },
        )
    try:
        log_file = state_dir / "log.txt"
        running = Shop(state_dir, log_file, process.pid, await until_it_serves(log_file, process.pid))
        if till:
            await running.open()
        yield running
        await running.till.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_it_serves(log: Path, pid: int) -> int:
    """The port, as soon as the log tells it."""
    async with asyncio.timeout(_START):
        while (port := _announced(log)) is None:
            assert _is_alive(pid), f"the gateway ended: {log.open().read()}"
            await asyncio.sleep(0.02)
    return port


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _announced(log: Path) -> int | None:
    found = _SERVES.search(log.read_text())
    return int(found[1]) if found else None


def free_port() -> int:
    """A port that no client is given: one that tries to reach it while nobody listens could get it as its own."""
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    while True:
        port = random.randrange(first - 2000, first)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
