"""Clients that write down what they ask and what they are told."""

import base64
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.tse.commands import LastTransaction, TransactionReply, TransactionStep
from tests.history.events import Action, History, Signature, Step
from tests.lan_client import LanClient, LanError

_FIRST_RESULT = 0x1000  # numbers from here on are results of the TSE: it has refused
_count = itertools.count(1)


def unique(client: bytes, action: Action) -> str:
    """A name for a step that is tried only once."""
    return f"{client.decode(errors='replace')} {action} #{next(_count)}"


def refused(error: Exception) -> bool:
    """Is this error of a LAN client the word of the TSE that it has not signed?"""
    return isinstance(error, LanError) and error.number >= _FIRST_RESULT


@dataclass
class RecordedLan(LanClient):
    """A LAN client with a `history`; who tries a step again gives both tries the same `name`."""

    history: History = field(default_factory=History)

    async def sign(
        self, event: TransactionStep, client: bytes, number: int, data: bytes, kind: bytes, name: str = ""
    ) -> TransactionReply:
        action = Action(event.name.lower())
        step = Step(name or unique(client, action), action, client, number, kind, data)
        with self.history.asking(step, refused) as answered:
            reply = await super().sign(event, client, number, data, kind)
            answered(Signature.of(reply))
        return reply

    async def last(self, client: bytes) -> TransactionReply:
        """The last signed step of a client."""
        with self.history.asking(Step(unique(client, Action.LAST), Action.LAST, client)) as answered:
            reply = TransactionReply.decode(await self.send_command(LastTransaction(client).encode()))
            answered(Signature.of(reply))
        return reply


def signature_of(receipt: Mapping[str, object]) -> Signature:
    """From an answer of the JSON API."""
    moment = datetime.fromisoformat(str(receipt["log_time"]))
    number, counter = int(str(receipt["transaction_number"])), int(str(receipt["signature_counter"]))
    return Signature(number, counter, int(moment.timestamp()), base64.b64decode(str(receipt["signature"])))
