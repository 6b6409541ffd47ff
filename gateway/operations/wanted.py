"""What a till asks to be signed, as a value; two of them are the same wish if their fingerprints are."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from gateway.tse.commands import Event


class Action(StrEnum):
    """What is to be signed; `sign` is a start and its finish in one."""

    START = "start"
    UPDATE = "update"
    FINISH = "finish"
    SIGN = "sign"

    @property
    def event(self) -> Event:
        """The last step that the TSE signs for it."""
        return {Action.START: Event.START, Action.UPDATE: Event.UPDATE}.get(self, Event.FINISH)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One wish; `number` is 0 where the TSE gives it. `serial` has 64 upper-case hex digits."""

    action: Action
    serial: str
    client_id: bytes
    number: int = 0
    process_type: bytes = b""
    process_data: bytes = b""

    @property
    def fingerprint(self) -> str:
        """The same for the same wish, another one for another; tells nothing about the data."""
        digest = hashlib.sha256()
        texts = (self.action.encode(), self.serial.encode(), self.client_id, str(self.number).encode())
        for part in (*texts, self.process_type, self.process_data):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()
