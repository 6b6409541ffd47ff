"""Signatures, receipts, open transactions."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gateway.access.caller import TILLS, TILLS_AND_AUDITORS, TILLS_AND_OPERATORS
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations import history
from gateway.operations.history import TransactionNotFound
from gateway.operations.journal import JournalFailed
from gateway.operations.receipt import Action, NoQrCode, Receipt, SigningRequest, qr_image
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.store import StoreClosed
from gateway.operations.transactions import KeyReused, SigningResult
from gateway.server.api import transaction_list
from gateway.server.api.downloads import media_for
from gateway.server.api.endpoint import TSE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.errors import READING, SENDING, Errors, ProcessDataForm
from gateway.server.api.parameters import (
    Check,
    ClientParams,
    Qr,
    QrParams,
    SigningParams,
    StepParams,
    TransactionParams,
)
from gateway.server.api.receipts import moment, receipt_response
from gateway.server.api.requests import CancelRequest, NoBody, SignRequest
from gateway.server.api.responses import OpenTransaction, OpenTransactionList, SignedReceipt
from gateway.server.api.validation import FieldProblem
from gateway.server.http.callers import caller_of
from gateway.tse import processdata
from gateway.tse.processdata import Finding
from gateway.tse.products import is_simulated

_ABORTED = b"AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"
_QR_MEDIA = {"svg": "image/svg+xml", "png": "image/png"}
_SIGNING: Errors = (*SENDING, KeyReused, OutcomeUnknown, EndedOtherwise, JournalFailed)
CHECKED: Errors = (*_SIGNING, ProcessDataForm)


async def sign_receipt(call: Call[SigningParams, SignRequest]) -> SignedReceipt:
    """Start and finish a transaction; the receipt shows the finish."""
    return await sign(call, Action.SIGN, call.params.serial)


async def start_transaction(call: Call[SigningParams, SignRequest]) -> SignedReceipt:
    """Start a transaction; the TSE assigns its number."""
    return await sign(call, Action.START, call.params.serial)


async def update_transaction(call: Call[StepParams, SignRequest]) -> SignedReceipt:
    """Sign more data in a transaction."""
    return await sign(call, Action.UPDATE, call.params.serial, call.params.number)


async def finish_transaction(call: Call[StepParams, SignRequest]) -> SignedReceipt:
    """Finish a transaction."""
    return await sign(call, Action.FINISH, call.params.serial, call.params.number)


async def cancel_transaction(call: Call[TransactionParams, CancelRequest]) -> SignedReceipt:
    """Finish a transaction as an aborted receipt (DSFinV-K, AVBelegabbruch)."""
    serial, client = call.params.serial.upper(), call.body.client_id.encode()
    request = SigningRequest(Action.FINISH, serial, client, call.params.number, processdata.RECEIPT.encode(), _ABORTED)
    result = await call.services.transactions.sign(request, call.key)
    return await _receipt(call, request, result)


async def list_open_transactions(call: Call[ClientParams, NoBody]) -> OpenTransactionList:
    """Return the open transactions as the TSE lists them."""
    services, serial = call.services, call.params.serial.upper()
    clients = {call.params.client_id} if call.params.client_id else caller_of(call.request).clients or {""}
    numbers: list[int] = []
    for client in sorted(clients):
        numbers += await services.administration.open_transactions(serial, client.encode())
    found = [
        OpenTransaction(transaction_number=number, start_time=moment(services.transactions.start_time(serial, number)))
        for number in sorted(numbers)
    ]
    return OpenTransactionList(transactions=found)


async def get_last_transaction(call: Call[ClientParams, NoBody]) -> SignedReceipt:
    """Return the last signed step as the TSE remembers it."""
    device = call.services.registry.find(call.params.serial)
    reply = await call.services.administration.last_transaction(device.serial, call.params.client_id.encode())
    message = await history.signed_with(device, reply.signature_counter)
    if message is None:
        raise TransactionNotFound(
            Text(
                "transaction {number} was signed too long ago to be found in the store",
                "Transaktion {number} wurde vor zu langer Zeit signiert, um sie im Speicher zu finden",
            ),
            number=reply.transaction_number,
        )
    started = await history.start_time(device, reply.transaction_number)
    own = call.services.transactions.own_of(device.serial, reply.transaction_number)
    return receipt_response(history.receipt_of(message, history.owner_of(device), started), own=own)


async def get_transaction(call: Call[TransactionParams, NoBody]) -> SignedReceipt:
    """Return the last step of a transaction, found from the end of the store."""
    device = call.services.registry.find(call.params.serial)
    number = call.params.number
    own = call.services.transactions.own_of(device.serial, number)
    return receipt_response(await _found(call, device, number), own=own)


async def get_qr_code(call: Call[QrParams, NoBody]) -> web.Response:
    """Draw the QR code of a finished transaction."""
    device = call.services.registry.find(call.params.serial)
    text = (await _found(call, device, call.params.number)).qr_text
    if text is None:
        raise NoQrCode(
            Text(
                "only a finished receipt without ; in its data has a QR code",
                "nur ein beendeter Beleg ohne ; in seinen Daten hat einen QR-Code",
            )
        )
    kind = call.params.kind
    return web.Response(body=qr_image(text, kind), content_type=media_for(call.request, _QR_MEDIA[kind]))


async def sign(call: Call[Any, SignRequest], action: Action, serial: str, number: int = 0) -> SignedReceipt:
    """Sign what the body holds with the TSE of this serial, and return its receipt."""
    body, options = call.body, call.params
    request = SigningRequest(
        *(action, serial.upper(), body.client_id.encode(), number, body.signed_type, body.signed_data),
        reference=body.reference,
        metadata=body.metadata,
    )
    findings = _checked(request, options.check)
    result = await call.services.transactions.sign(request, call.key)
    return await _receipt(call, request, result, findings, options.qr)


async def _found(call: Call[Any, Any], device: Device, number: int) -> Receipt:
    steps = await history.steps_of(device, number)
    if not steps or not caller_of(call.request).may_read(steps[0].client_id):
        raise TransactionNotFound(
            Text(
                "transaction {number} is not among the last ones in the store",
                "Transaktion {number} ist nicht unter den letzten im Speicher",
            ),
            number=number,
        )
    started = next((step.log_time for step in steps if history.step_of(step) == history.START), None)
    return history.receipt_of(steps[0], history.owner_of(device), started)


def _checked(request: SigningRequest, check: Check) -> list[Finding]:
    if check == "off":
        return []
    judge = processdata.findings_at_start if request.action is Action.START else processdata.findings
    found = judge(request.process_type, request.process_data)
    if found and check == "error":
        raise ProcessDataForm([FieldProblem("process_data", _unfit(finding.value)) for finding in found])
    return found


def _unfit(why: Text) -> Text:
    return Text(f"does not have the form of its type: {why.en}", f"hat nicht die Form ihres Typs: {why.de}")


async def _receipt(
    call: Call[Any, Any],
    request: SigningRequest,
    result: SigningResult,
    findings: Sequence[Finding] = (),
    qr: Qr = "none",
) -> SignedReceipt:
    device = call.services.registry.find(request.serial)
    started = result.start_time
    if started is None:
        started = await _start_in_store(device, result.signed.number)
    receipt = Receipt(
        operation="finish" if request.action is Action.SIGN else request.action,
        serial=device.serial,
        public_key=device.info.public_key,
        client_id=request.client_id,
        process_type=request.process_type,
        process_data=request.process_data,
        signed=result.signed,
        start_time=started,
        certified=not is_simulated(device.info.description),
    )
    own = result.reference, result.metadata
    return receipt_response(receipt, findings, qr, language=call.language, own=own, replayed=result.replayed)


async def _start_in_store(device: Device, number: int) -> int | None:
    try:
        return await history.start_time(device, number)
    except GatewayError:  # the signature exists and is worth more than the time of its start
        return None


_TRANSACTION = f"{TSE}/transactions/{{number}}"
_SVG_EXAMPLE = '<svg xmlns="http://www.w3.org/2000/svg" width="236" height="236" class="segno">...</svg>'
SECTION = Section(
    "Transactions",
    "Signatures for tills, and receipts that were signed.",
    (
        *transaction_list.ENDPOINTS,
        Endpoint(
            "POST",
            f"{TSE}/sign",
            TILLS,
            sign_receipt,
            "Sign a whole receipt",
            "Starts and finishes a transaction in one request; costs two signatures. The response has what the receipt "
            "must show, that of the finish.",
            CHECKED,
            keyed=True,
        ),
        Endpoint(
            "POST",
            f"{TSE}/transactions",
            TILLS,
            start_transaction,
            "Start a transaction",
            "Costs one signature. The response has the number of the transaction. DSFinV-K starts transactions without "
            "process type and data.",
            CHECKED,
            keyed=True,
        ),
        Endpoint(
            "POST",
            f"{_TRANSACTION}/update",
            TILLS,
            update_transaction,
            "Update a transaction",
            "Signs more data in an open transaction; costs one signature.",
            CHECKED,
            keyed=True,
        ),
        Endpoint(
            "POST",
            f"{_TRANSACTION}/finish",
            TILLS,
            finish_transaction,
            "Finish a transaction",
            "Costs one signature. The response has what the receipt must show.",
            CHECKED,
            keyed=True,
        ),
        Endpoint(
            "POST",
            f"{_TRANSACTION}/cancel",
            TILLS_AND_OPERATORS,
            cancel_transaction,
            "Finish a transaction as an aborted receipt",
            "Signs AVBelegabbruch as Kassenbeleg-V1 (DSFinV-K). The gateway never does this by itself.",
            _SIGNING,
            keyed=True,
        ),
        Endpoint(
            "GET",
            f"{TSE}/transactions/open",
            TILLS_AND_OPERATORS,
            list_open_transactions,
            "List open transactions",
            "Of one client, or of all.",
            SENDING,
        ),
        Endpoint(
            "GET",
            f"{TSE}/transactions/last",
            TILLS_AND_AUDITORS,
            get_last_transaction,
            "Get the last signed step",
            "Of one client, or of any.",
            (*SENDING, StoreClosed, TransactionNotFound),
            of_all=True,
        ),
        Endpoint(
            "GET",
            _TRANSACTION,
            TILLS_AND_AUDITORS,
            get_transaction,
            "Get the last step of a transaction",
            "Looks for it from the end of the store; only the last transactions are found.",
            (*READING, TransactionNotFound),
        ),
        Endpoint(
            "GET",
            f"{_TRANSACTION}/qr",
            TILLS_AND_AUDITORS,
            get_qr_code,
            "Get the QR code of a receipt",
            "Of one of the last finished transactions.",
            (*READING, TransactionNotFound, NoQrCode),
            FileResponse(
                "The QR code (DSFinV-K, V0), in the form of `kind`.",
                (
                    FileFormat("image/svg+xml", _SVG_EXAMPLE),
                    FileFormat("image/png"),
                ),
            ),
        ),
    ),
)
