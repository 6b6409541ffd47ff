"""Mails and webhook calls come once each, though the gateway is killed again and again.

    python -m tests.notifications.kills --kills 20

A real gateway with simulated TSEs. Somebody enters a wrong PIN at each: a problem of its own. Meanwhile the gateway is
killed (SIGKILL) at random moments and started again, and mail server and webhook refuse some tries. Then the right PINs
end all problems. Takes about eight minutes, five of them until a problem counts as over.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from gateway.app.simulators import ADMIN_PIN
from gateway.notifications.service import GONE_FOR
from tests.notifications.receivers import Hook, MailServer, mail_server, webhook
from tests.notifications.test_channels import SECRET
from tests.process import Process, gateway

TSES = 6
_REFUSED = 0.3  # of the tries
_LONGEST = 180.0  # seconds; a message that was refused waits up to 30 s for the next try, and more after several


async def main() -> None:
    """Make the problems, kill, end them, count."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--kills", type=int, default=20)
    asked.add_argument("--seed", type=int, default=time.time_ns())
    given = asked.parse_args()
    print(f"seed {given.seed}")
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as directory:
        async with mail_server() as mails, webhook() as hook:
            site = Site(Path(directory), mails, hook)
            for kill in range(given.kills):
                async with site.running() as running:
                    if kill < TSES:
                        await use_pin(running, kill, "54321")
                    mails.refusal = "451 later" if chance.random() < _REFUSED else ""
                    hook.status = 503 if chance.random() < _REFUSED else 200
                    await asyncio.sleep(chance.uniform(0, 6))
                    await running.stop(signal.SIGKILL)
            mails.refusal, hook.status = "", 200
            async with site.running() as running:
                await site.until(TSES, _LONGEST)
                for number in range(TSES):
                    await use_pin(running, number, ADMIN_PIN.decode())
                await site.until(2 * TSES, GONE_FOR + _LONGEST)
                await running.stop()
            site.count(given.kills)


class Site:
    """The gateway, wherever its process is now, and who hears from it."""

    def __init__(self, directory: Path, mails: MailServer, hook: Hook) -> None:
        self._directory, self._mails, self._hook = directory, mails, hook

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        async with gateway(
            *(self._directory, "--simulator", str(TSES)),
            GATEWAY_SIMULATOR_FRESH="false",
            GATEWAY_NTP_SERVERS="none",
            GATEWAY_NOTIFY_MAIL_TO="chef@shop.example",
            GATEWAY_NOTIFY_MAIL_SERVER=f"127.0.0.1:{self._mails.port}",
            GATEWAY_NOTIFY_WEBHOOK_URL=self._hook.url,
            GATEWAY_NOTIFY_WEBHOOK_SECRET=SECRET,
        ) as process:
            await process.until_it_serves()
            yield process

    async def until(self, count: int, longest: float) -> None:
        """Wait until so many different messages have come by each way."""
        async with asyncio.timeout(longest):
            await self._mails.until(count)
            while len(self._hook_ids()) < count:
                await self._hook.until(len(self._hook.calls) + 1)

    def count(self, kills: int) -> None:
        """Tell what came; AssertionError unless each message came once, by both ways, about each TSE."""
        print(f"{kills} kills; mails {len(self._mails.mails)}, accepted webhook calls {sum(self._hook_ids().values())}")
        subjects = Counter(mail["Subject"] for mail in self._mails.mails)
        for subject, times in sorted(subjects.items()):
            print(f"{times} x {subject}")
        assert set(self._mail_ids().values()) == set(self._hook_ids().values()) == {1}, "a message came twice"
        assert len(subjects) == 2 * TSES, "not each problem and its end was told"
        assert set(subjects.values()) == {1}, "a problem was told twice"
        assert {name.split("@")[0].strip("<") for name in self._mail_ids()} == set(self._hook_ids())

    def _mail_ids(self) -> Counter[str]:
        return Counter(mail["Message-ID"] for mail in self._mails.mails)

    def _hook_ids(self) -> Counter[str]:
        return Counter(headers["webhook-id"] for headers, _ in self._hook.taken)


async def use_pin(running: Process, number: int, pin: str) -> None:
    """Use an Admin PIN at the TSE with this number."""
    base = f"https://127.0.0.1:{running.port}/api/v1/tses"
    headers = {"Authorization": aiohttp.encode_basic_auth("lantse", running.token)}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=False)) as session:
        async with session.get(base) as answer:
            serial = sorted(tse["serial"] for tse in await answer.json())[number]
        async with session.post(f"{base}/{serial}/clients/list", json={"admin_pin": pin}) as answer:
            assert (answer.status == 200) == (pin == ADMIN_PIN.decode()), await answer.text()


if __name__ == "__main__":
    asyncio.run(main())
