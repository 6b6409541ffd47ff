"""Signed steps as the JSON API shows them."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from gateway.i18n.text import Language
from gateway.operations.receipt import ALGORITHM, TIME_FORMAT, NoQrCode, Receipt, qr_image
from gateway.server.api.parameters import Qr
from gateway.server.api.responses import ProcessDataWarning, SignedReceipt
from gateway.tse.processdata import Finding


def receipt_response(
    receipt: Receipt,
    findings: Sequence[Finding] = (),
    qr: Qr = "none",
    *,
    language: Language = "en",
    own: tuple[str, Mapping[str, str]] = ("", {}),
    replayed: bool = False,
) -> SignedReceipt:
    """Return the response for a signed step, with its QR code if that is wanted and can be drawn.

    `own`: reference and metadata of the client.
    """
    signed, text = receipt.signed, receipt.qr_text
    svg = png = None
    warnings = [
        ProcessDataWarning(code=finding.code, message=finding.value.in_language(language)) for finding in findings
    ]
    if qr != "none" and text is not None:
        try:
            image = qr_image(text, qr)
            svg = image.decode() if qr == "svg" else None
            png = base64.b64encode(image).decode() if qr == "png" else None
        except NoQrCode as error:
            warnings.append(ProcessDataWarning(code=error.code, message=error.in_language(language)))
    return SignedReceipt(
        operation=_operation(receipt),
        certified=receipt.certified,
        tse_serial=receipt.serial,
        client_id=receipt.client_id.decode(errors="replace"),
        transaction_number=signed.number,
        signature_counter=signed.counter,
        start_time=moment(receipt.start_time),
        log_time=datetime.fromtimestamp(signed.log_time, UTC),
        process_type=receipt.process_type.decode(errors="replace"),
        process_data=_text(receipt.process_data),
        process_data_base64=base64.b64encode(receipt.process_data).decode(),
        signature=base64.b64encode(signed.signature).decode(),
        signature_algorithm=ALGORITHM,
        log_time_format=TIME_FORMAT,
        public_key=base64.b64encode(receipt.public_key).decode(),
        qr_text=text,
        qr_svg=svg,
        qr_png_base64=png,
        warnings=warnings,
        reference=own[0],
        metadata=dict(own[1]),
        replayed=replayed,
    )


def moment(unix_time: int | None) -> datetime | None:
    """Return `unix_time` as a datetime in UTC."""
    return None if unix_time is None else datetime.fromtimestamp(unix_time, UTC)


def _operation(receipt: Receipt) -> Literal["start", "update", "finish"]:
    match receipt.operation:
        case "start":
            return "start"
        case "update":
            return "update"
        case _:
            return "finish"


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
