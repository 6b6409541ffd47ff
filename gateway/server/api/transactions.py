"""Handlers of the JSON API: signatures, receipts, open transactions."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.operations import history, processdata
from gateway.operations.history import TransactionNotFound
from gateway.operations.processdata import ProcessDataFinding
from gateway.operations.receipt import ALGORITHM, TIME_FORMAT, Action, NoQrCode, Receipt, SigningRequest, qr_image
from gateway.operations.transactions import SigningResult
from gateway.server.api.endpoint import Call
from gateway.server.api.errors import ProcessDataForm
from gateway.server.api.requests import (
    CancelBody,
    Check,
    NoBody,
    OfClient,
    OfTransaction,
    QrKind,
    QrOf,
    SignBody,
    SignInTransaction,
    SignOnTse,
)
from gateway.server.api.responses import OpenTransaction, OpenTransactions, Place, ReceiptAnswer, Warning_

_ABORTED = b"AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"
QR_MEDIA = {"svg": "image/svg+xml", "png": "image/png"}


async def start_transaction(call: Call[SignOnTse, SignBody]) -> ReceiptAnswer:
    """One signature; gives the number."""
    return await _signed(call, _wanted(call, Action.START))


async def sign_receipt(call: Call[SignOnTse, SignBody]) -> ReceiptAnswer:
    """Two signatures; the receipt shows those of the finish."""
    return await _signed(call, _wanted(call, Action.SIGN))


async def update_transaction(call: Call[SignInTransaction, SignBody]) -> ReceiptAnswer:
    """One signature."""
    return await _signed(call, _wanted(call, Action.UPDATE, call.params.number))


async def finish_transaction(call: Call[SignInTransaction, SignBody]) -> ReceiptAnswer:
    """One signature; the receipt shows it."""
    return await _signed(call, _wanted(call, Action.FINISH, call.params.number))


async def cancel_transaction(call: Call[OfTransaction, CancelBody]) -> ReceiptAnswer:
    """Only an operator's or a till's call does this."""
    serial, client = call.params.serial.upper(), call.body.client_id.encode()
    request = SigningRequest(Action.FINISH, serial, client, call.params.number, processdata.RECEIPT.encode(), _ABORTED)
    outcome = await call.services.transactions.sign(request, call.key)
    return await _answer(call.services.registry.find(serial), request, outcome, [], QrKind.NONE)


async def open_transactions(call: Call[OfClient, NoBody]) -> OpenTransactions:
    """As the TSE lists them."""
    services, serial = call.services, call.params.serial.upper()
    numbers = await services.administration.open_transactions(serial, call.params.client_id.encode())
    found = [
        OpenTransaction(transaction_number=number, start_time=_moment(services.transactions.start_time(serial, number)))
        for number in numbers
    ]
    return OpenTransactions(transactions=found)


async def last_transaction(call: Call[OfClient, NoBody]) -> ReceiptAnswer:
    """As the TSE remembers it."""
    device = call.services.registry.find(call.params.serial)
    reply = await call.services.administration.last_transaction(device.serial, call.params.client_id.encode())
    message = await history.signed_with(device, reply.signature_counter)
    if message is None:
        raise TransactionNotFound(
            f"transaction {reply.transaction_number} was signed too long ago to be found in the store"
        )
    started = await history.start_time(device, reply.transaction_number)
    return _shown(history.receipt_of(message, device, started))


async def get_transaction(call: Call[OfTransaction, NoBody]) -> ReceiptAnswer:
    """Found in the store, from its end."""
    device = call.services.registry.find(call.params.serial)
    return _shown(await _found(device, call.params.number))


async def get_qr_code(call: Call[QrOf, NoBody]) -> web.Response:
    """Drawn afresh."""
    device = call.services.registry.find(call.params.serial)
    text = (await _found(device, call.params.number)).qr_text
    if text is None:
        raise NoQrCode("only a finished receipt without ; in its data has a QR code")
    kind = call.params.kind
    return web.Response(body=qr_image(text, kind), content_type=QR_MEDIA[kind])


async def _found(device: Device, number: int) -> Receipt:
    steps = await history.steps_of(device, number)
    if not steps:
        raise TransactionNotFound(f"transaction {number} is not among the last ones in the store")
    started = next((step.log_time for step in steps if history.step_of(step) == history.START), None)
    return history.receipt_of(steps[0], device, started)


def _wanted(
    call: Call[SignOnTse, SignBody] | Call[SignInTransaction, SignBody], action: Action, number: int = 0
) -> SigningRequest:
    body = call.body
    return SigningRequest(
        action, call.params.serial.upper(), body.client_id.encode(), number, body.process_type.encode(), body.data
    )


async def _signed(
    call: Call[SignOnTse, SignBody] | Call[SignInTransaction, SignBody], request: SigningRequest
) -> ReceiptAnswer:
    findings = _checked(request, call.params.check)
    device = call.services.registry.find(request.serial)
    outcome = await call.services.transactions.sign(request, call.key)
    return await _answer(device, request, outcome, findings, call.params.qr)


def _checked(request: SigningRequest, check: Check) -> list[ProcessDataFinding]:
    if check is Check.OFF:
        return []
    judge = processdata.findings_at_start if request.action is Action.START else processdata.findings
    found = judge(request.process_type, request.process_data)
    if found and check is Check.ERROR:
        places = [Place(at="process_data", message=finding.message) for finding in found]
        raise ProcessDataForm("the process data do not have the form of their type; nothing was signed", places)
    return found


async def _answer(
    device: Device, request: SigningRequest, outcome: SigningResult, findings: Sequence[ProcessDataFinding], qr: QrKind
) -> ReceiptAnswer:
    started = outcome.start_time
    if started is None:
        started = await _start_in_store(device, outcome.signed.number)
    receipt = Receipt(
        operation="finish" if request.action is Action.SIGN else request.action,
        serial=device.serial,
        public_key=device.info.public_key,
        client_id=request.client_id,
        process_type=request.process_type,
        process_data=request.process_data,
        signed=outcome.signed,
        start_time=started,
    )
    return _shown(receipt, findings, qr, replayed=outcome.replayed)


async def _start_in_store(device: Device, number: int) -> int | None:
    try:
        return await history.start_time(device, number)
    except GatewayError:  # the signature exists and is worth more than the time of its start
        return None


def _shown(
    receipt: Receipt, findings: Sequence[ProcessDataFinding] = (), qr: QrKind = QrKind.NONE, *, replayed: bool = False
) -> ReceiptAnswer:
    signed, text = receipt.signed, receipt.qr_text
    svg = png = None
    warnings = [Warning_(code=finding.code, message=finding.message) for finding in findings]
    if qr is not QrKind.NONE and text is not None:
        try:
            image = qr_image(text, qr)
            svg = image.decode() if qr is QrKind.SVG else None
            png = base64.b64encode(image).decode() if qr is QrKind.PNG else None
        except NoQrCode as error:
            warnings.append(Warning_(code=error.code, message=str(error)))
    return ReceiptAnswer(
        operation=_operation(receipt),
        tse_serial=receipt.serial,
        client_id=receipt.client_id.decode(errors="replace"),
        transaction_number=signed.number,
        signature_counter=signed.counter,
        start_time=_moment(receipt.start_time),
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
        replayed=replayed,
    )


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


def _moment(unix_time: int | None) -> datetime | None:
    return None if unix_time is None else datetime.fromtimestamp(unix_time, UTC)
