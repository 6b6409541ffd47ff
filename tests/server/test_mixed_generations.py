"""One gateway with a TSE of each generation and eight tills of three kinds: each receipt is signed exactly once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from gateway.app.gateway import running
from gateway.config.settings import Settings
from gateway.fleet.device import Device
from gateway.server.http import tls
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse import commands as c
from gateway.tse import lists
from gateway.tse.certificates import by_serial, key_of, load
from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage, verify
from gateway.tse.tar import members
from tests.history.checker import demand_explained
from tests.history.events import Action, History, Step
from tests.history.recorder import RecordedLan, signature_of
from tests.server.shop import TOKEN, settings_for
from tests.support import NOW, PREPARE, TIME_ADMIN_PIN, export

ONE, TWO = Generation.ONE, Generation.TWO
RECEIPTS = 4  # of each till
KIND = b"SonstigerVorgang"


@dataclass
class Site:
    """What the tills need of one TSE."""

    settings: Settings
    port: int
    device: Device
    history: History
    session: aiohttp.ClientSession


class Till(Protocol):
    async def sell(self, site: Site, client: bytes) -> None: ...


@dataclass(frozen=True)
class LanTill:
    """Software on the vendor's library of one generation, which need not be that of the TSE."""

    speaks: Generation

    async def sell(self, site: Site, client: bytes) -> None:
        lan = RecordedLan(site.port, TOKEN, site.device.serial, history=site.history)
        async with lan.locked():
            for command in (c.Login(c.User.TIME_ADMIN, TIME_ADMIN_PIN), c.SetTime(NOW), c.Logout(c.User.TIME_ADMIN)):
                await lan.send_command(command.encode(self.speaks))
        for number in range(RECEIPTS):
            data = b"%s sells %d" % (client, number)
            async with lan.locked():
                opened = await lan.sign(c.TransactionStep.START, client, 0, b"", b"")
            async with lan.locked():
                assert await self._open_ones(lan, client) == [opened.transaction_number]
                signed = await lan.sign(c.TransactionStep.FINISH, client, opened.transaction_number, data, KIND)
                assert await lan.last(client) == signed
        await lan.close()

    async def _open_ones(self, lan: RecordedLan, client: bytes) -> list[int]:
        asking = lists.open_transactions(self.speaks, client)
        command = next(asking)
        while True:
            reply = await lan.send_command(command.encode(self.speaks))
            try:
                command = asking.send(reply)
            except StopIteration as found:
                numbers: list[int] = found.value
                return numbers


class ApiTill:
    """Software that uses the REST API, and repeats each request as if its answer had been lost."""

    async def sell(self, site: Site, client: bytes) -> None:
        for number in range(RECEIPTS):
            name = f"{client.decode()} sells {number}"
            step = Step(name, Action.SIGN, client, process_type=KIND, data=name.encode())
            body = {"client_id": client.decode(), "process_type": KIND.decode(), "process_data": name}
            for _ in range(2):
                with site.history.asking(step) as answered:
                    answered(signature_of(await self._post(site, body, name)))

    async def _post(self, site: Site, body: dict[str, str], name: str) -> dict[str, object]:
        url = f"https://127.0.0.1:{site.port}/api/v1/tses/{site.device.serial}/sign"
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": name.replace(" ", "-")}
        async with site.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, object] = await answer.json()
            return found


OLD, NEW, API = LanTill(ONE), LanTill(TWO), ApiTill()
Tills = Mapping[Generation, Sequence[Till]]
TILLS: Tills = {ONE: (OLD, OLD, API), TWO: (OLD, OLD, NEW, NEW, API)}


@asynccontextmanager
async def sites(tmp_path: Path, tills: Tills) -> AsyncIterator[dict[Generation, Site]]:
    """Two TSEs, set up for these tills, behind one gateway."""
    settings = settings_for(tmp_path, simulators=len(Generation), old_tills="all")
    for number, generation in enumerate(Generation, start=1):
        SimulatedTse.create(settings.state_dir / f"simulator-{number}", Make(generation=generation)).close()
    async with running(settings) as gateway:
        found = {}
        connector = aiohttp.TCPConnector(ssl=tls.client_context(settings))
        async with aiohttp.ClientSession(connector=connector) as session:
            for device in gateway.registry.devices():
                generation = device.info.generation
                clients = [client_of(generation, number) for number in range(len(tills[generation]))]
                await PREPARE[generation](device.command, device.info.serial, *clients)
                await device.read_info()
                found[generation] = Site(settings, gateway.port, device, History(), session)
            yield found


def client_of(generation: Generation, number: int) -> bytes:
    return b"POS-%d-%d" % (generation, number)


async def all_sell(tmp_path: Path, tills: Tills) -> None:
    """Let each till sell, all at once, and check what each was told against the stores."""
    async with sites(tmp_path, tills) as by_generation, asyncio.timeout(120):
        selling: list[Awaitable[None]] = [
            till.sell(by_generation[generation], client_of(generation, number))
            for generation, its in tills.items()
            for number, till in enumerate(its)
        ]
        await asyncio.gather(*selling)
        for generation, site in by_generation.items():
            tar = await export(site.device)
            found = demand_explained(site.history, tar)
            assert (found.signatures, found.untold) == (2 * RECEIPTS * len(tills[generation]), ())
            entries = list(members(tar))
            key = key_of(by_serial(load(entries[1].data))[site.device.info.serial])
            messages = [LogMessage.decode(entry.data) for entry in entries[2:]]
            assert all(verify(message, key) for message in messages)
            assert {message.version for message in messages} == {2 if generation is ONE else 3}


async def test_tills_of_all_kinds_share_tses_of_both_generations(tmp_path: Path) -> None:
    await all_sell(tmp_path, TILLS)
