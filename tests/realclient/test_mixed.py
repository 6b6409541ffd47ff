"""Tills with the vendor's library 6 beside all other kinds, on the TSEs of both generations behind one gateway."""

from dataclasses import dataclass
from pathlib import Path

from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.history.events import Action, Signature, Step
from tests.history.recorder import unique
from tests.realclient.worm import Client, Peer
from tests.server.shop import TOKEN
from tests.server.test_mixed_generations import API, KIND, NEW, OLD, RECEIPTS, Site, all_sell
from tests.support import NOW, TIME_ADMIN_PIN, export

DATA = bytes(number * 7 % 256 for number in range(60))  # the process data of the program that drives the library


@dataclass(frozen=True)
class LibraryTill:
    """Software on the vendor's own library, which speaks to a TSE of either generation."""

    peer: Peer

    async def sell(self, site: Site, client: bytes) -> None:
        async with self.peer.connected(f"https://127.0.0.1:{site.port}", TOKEN) as library:
            time = (f"login 2 {TIME_ADMIN_PIN.decode()}", f"time {NOW}", "logout 2")
            for call in await library.run((f"select {site.device.serial}", "lock", *time, "unlock")):
                assert not call.code, call
            for _ in range(RECEIPTS):
                number = await self._step(library, site, Step(unique(client, Action.START), Action.START, client))
                finish = Step(unique(client, Action.FINISH), Action.FINISH, client, number, KIND, DATA)
                await self._step(library, site, finish)

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


async def test_eight_tills_of_mixed_libraries_share_tses_of_both_generations(tmp_path: Path, arm: Peer) -> None:
    library = LibraryTill(arm)
    await all_sell(tmp_path, {Generation.ONE: (library, OLD, API), Generation.TWO: (library, library, OLD, NEW, API)})
