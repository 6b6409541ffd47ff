"""A request to sign, the signature, and the receipt with its QR code (DSFinV-K, annex I, version "V0")."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.tse.commands import TransactionStep

if TYPE_CHECKING:
    from segno import QRCode

ALGORITHM, TIME_FORMAT = "ecdsa-plain-SHA384", "unixTime"  # what all Swissbit TSEs use


class NoQrCode(GatewayError):
    """The step has none: it is no finish, its start is not known, or its data do not fit the form."""

    code = "no_qr_code"


class Action(StrEnum):
    """What is to be signed; `SIGN` is a start and its finish in one."""

    START = "start"
    UPDATE = "update"
    FINISH = "finish"
    SIGN = "sign"

    @property
    def event(self) -> TransactionStep:
        """The last step that the TSE signs for the action."""
        return {Action.START: TransactionStep.START, Action.UPDATE: TransactionStep.UPDATE}.get(
            self, TransactionStep.FINISH
        )


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What a till wants signed; `number` is 0 where the TSE assigns it. `serial` has 64 upper-case hex digits.

    `reference` and `metadata` are the client's own and are not signed.
    """

    action: Action
    serial: str
    client_id: bytes
    number: int = 0
    process_type: bytes = b""
    process_data: bytes = b""
    reference: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over all that is signed: equal for equal requests only, and tells nothing about the data."""
        digest = hashlib.sha256()
        texts = (self.action.encode(), self.serial.encode(), self.client_id, str(self.number).encode())
        for part in (*texts, self.process_type, self.process_data):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed step of a transaction. Times in Unix seconds."""

    number: int
    counter: int
    log_time: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed step with everything around it; `start_time` in Unix seconds, `None` when nobody knows it.

    `certified` is false if a simulated TSE signed it.
    """

    operation: str
    serial: str
    public_key: bytes
    client_id: bytes
    process_type: bytes
    process_data: bytes
    signed: Signed
    start_time: int | None
    certified: bool

    @property
    def qr_text(self) -> str | None:
        """The text of the QR code; `None` if the step has none."""
        if self.operation != "finish" or self.start_time is None:
            return None
        try:
            texts = [part.decode() for part in (self.client_id, self.process_type, self.process_data)]
        except UnicodeDecodeError:
            return None
        if any(";" in text for text in texts):  # the separator: nobody could take the text apart
            return None
        signed = self.signed
        fields = (
            *("V0", *texts, str(signed.number), str(signed.counter)),
            *(_iso(self.start_time), _iso(signed.log_time), ALGORITHM, TIME_FORMAT),
            *(base64.b64encode(value).decode() for value in (signed.signature, self.public_key)),
        )
        return ";".join(fields)


def qr_image(text: str, kind: str) -> bytes:
    """Return the QR code of `text` as an image; `kind` is "svg" or "png".

    Raises:
        NoQrCode: the text is too long.
    """
    out = io.BytesIO()
    _qr_code(text).save(out, kind=kind, scale=4)
    return out.getvalue()


def qr_blocks(text: str) -> str:
    """Return the QR code of `text` as block characters for a terminal; errors as of `qr_image`."""
    out = io.StringIO()
    _qr_code(text).terminal(out, compact=True)
    return out.getvalue()


def qr_outline(text: str) -> tuple[int, str]:
    """Return the QR code of `text` as its size in modules and an SVG path of the dark ones; errors as of `qr_image`."""
    rows = list(_qr_code(text).matrix)
    runs = (
        f"M{found.start()} {y}h{found.end() - found.start()}v1H{found.start()}z"
        for y, row in enumerate(rows)
        for found in re.finditer(rb"\x01+", row)
    )
    return len(rows), "".join(runs)


def _qr_code(text: str) -> "QRCode":
    import segno  # late, like all that a gateway which only signs does not need: it stays smaller

    try:
        return segno.make_qr(text, error="m", boost_error=False)
    except segno.DataOverflowError:
        raise NoQrCode(Text("the text is too long for a QR code", "der Text ist zu lang für einen QR-Code")) from None


def _iso(unix_time: int) -> str:
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
