"""Tills with the vendor's libraries beside all other kinds, on the TSEs of both generations behind one gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from gateway.client.drive import RemoteTse, shown
from gateway.driver.lan.upstream import Upstream
from gateway.server.http import certificate_authority
from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.history.events import Action, Signature, Step
from tests.history.recorder import unique
from tests.needs import FUSE
from tests.realclient.worm import Client, Peer
from tests.server.shop import TOKEN
from tests.server.test_mixed_generations import API, KIND, NEW, OLD, RECEIPTS, Site, all_sell
from tests.support import NOW, TIME_ADMIN_PIN, export

pytestmark = FUSE
DATA = bytes(number * 7 % 256 for number in range(60))  # the process data of the program that drives the library


@dataclass(frozen=True)
class LibraryTill:
    """Software on a library of the vendor: over the network, or with a drive at `place`."""

    peer: Peer
    place: Path | None = None

    async def sell(self, site: Site, client: bytes) -> None:
        begin: tuple[str, ...] = (f"login 2 {TIME_ADMIN_PIN.decode()}", f"time {NOW}", "logout 2")
        if self.place is None:
            begin = (f"select {site.device.serial}", "lock", *begin, "unlock")
        async with self._where(site) as where, self.peer.connected(*where) as library:
            for call in await library.run(begin):
                assert not call.code, call
            for _ in range(RECEIPTS):
                number = await self._step(library, site, Step(unique(client, Action.START), Action.START, client))
                finish = Step(unique(client, Action.FINISH), Action.FINISH, client, number, KIND, DATA)
                await self._step(library, site, finish)

    @asynccontextmanager
    async def _where(self, site: Site) -> AsyncIterator[tuple[str, ...]]:
        """What the library is told: URL and token, or a directory."""
        url = f"https://127.0.0.1:{site.port}"
        if self.place is None:
            yield (url, TOKEN)
            return
        upstream = Upstream(
            url, SecretStr(TOKEN), ca_file=certificate_authority.ca_path(site.settings.state_dir / "tls")
        )
        async with shown(await RemoteTse.reached(upstream, site.device.serial), self.place) as at:
            yield (str(at),)

    async def _step(self, library: Client, site: Site, step: Step) -> int:
        with site.history.asking(step) as answered:
            kind = step.process_type.decode() or "-"
            call = await library.call(f"{step.action} {step.client.decode()} {kind} {len(step.data)}")
            assert not call.code, call
            signed = await signature(site, call.facts["sig"])
            answered(signed)
        return signed.number


async def signature(site: Site, counter: int) -> Signature:
    """What the TSE keeps of a signature of which the library's program tells only the counter."""
    for entry in list(members(await export(site.device)))[2:]:
        message = LogMessage.decode(entry.data)
        if message.signature_counter == counter:
            return Signature(message.transaction_number or 0, counter, message.log_time, message.signature)
    raise AssertionError(f"signature {counter} is not in the store")


async def test_eight_tills_of_mixed_libraries_share_tses_of_both_generations(
    tmp_path: Path, arm: Peer, x64: Peer
) -> None:
    newer = LibraryTill(arm)
    older, other = (LibraryTill(x64, tmp_path / name) for name in ("drive", "other drive"))
    tills = {Generation.ONE: (newer, older, API), Generation.TWO: (newer, other, OLD, NEW, API)}
    await all_sell(tmp_path, tills)
