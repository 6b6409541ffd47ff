"""The JSON API: its table of endpoints. Routes, validation and the OpenAPI document read nothing else."""

import asyncio
import functools
from typing import Any

from aiohttp import web

from gateway.archive.deletion import NotArchived, NotExported, RestNotKept
from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten, NothingArchived
from gateway.archive.run import Stopped
from gateway.archive.status import ArchiveList, ArchiveRun, ArchiveStatus
from gateway.errors import (
    CommandRejected,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    GatewayError,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
    UnknownDevice,
)
from gateway.fleet.outages.log import OutagesUnreadable
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry
from gateway.operations.administration import ClockNotTrusted, NewerGeneration
from gateway.operations.confirmations import NotConfirmed
from gateway.operations.exports import CursorInvalid, NothingToExport
from gateway.operations.history import TransactionNotFound
from gateway.operations.journal import JournalFailed
from gateway.operations.masterdata import NoCertificate
from gateway.operations.outage_report import TseInUse
from gateway.operations.receipt import NoQrCode
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.setup import NotFresh
from gateway.operations.store import StoreClosed
from gateway.operations.transactions import KeyReused
from gateway.server.api import administration, exports, outages, requests, responses, transactions, tses
from gateway.server.api import archives as archive
from gateway.server.api.endpoint import Endpoint, Services, route
from gateway.server.api.errors import ExportChanged, ProcessDataForm, RangeInvalid
from gateway.server.api.requests import NoBody, OfClient, OfTransaction, OfTse, SignBody
from gateway.server.api.responses import ReceiptAnswer
from gateway.server.http.responses import ok_json

BASE = "/api/v1"
DOCUMENT = f"{BASE}/openapi.json"
_TSE = f"{BASE}/tses/{{serial}}"
_TRANSACTION = f"{_TSE}/transactions/{{number}}"

_FAILED: tuple[type[GatewayError], ...] = (DeviceError, DeviceGone, DeviceTimeout, ResponseMissing, PowerCycleDetected)
_ASKED: tuple[type[GatewayError], ...] = (UnknownDevice, *_FAILED, LockRefused, CommandRejected, ProtocolError)
_READ: tuple[type[GatewayError], ...] = (UnknownDevice, *_FAILED, StoreClosed, ProtocolError)
_SIGNED: tuple[type[GatewayError], ...] = (*_ASKED, KeyReused, OutcomeUnknown, EndedOtherwise, JournalFailed)
_CHECKED: tuple[type[GatewayError], ...] = (*_SIGNED, ProcessDataForm)
_BY_COMMAND: tuple[type[GatewayError], ...] = (*_ASKED, NewerGeneration)
_USERS: tuple[type[GatewayError], ...] = (*_BY_COMMAND, LastTry, KnownWrong)
_ARCHIVING: tuple[type[GatewayError], ...] = (ArchiveBusy, ArchiveNotWritten, ArchiveDamaged, Stopped)
_ARCHIVED: tuple[type[GatewayError], ...] = (
    UnknownDevice,
    NothingArchived,
    ArchiveDamaged,
    RangeInvalid,
    ExportChanged,
)
_IRREVERSIBLE: tuple[type[GatewayError], ...] = (*_USERS, NotConfirmed)

_KNOWN = "TSEs"
_SIGNING = "Transactions"
_EXPORTS = "Exports"
_ARCHIVE = "Archive"
_OUTAGES = "Outages"
_OPERATOR = "Administration"

# fmt: off
ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    Endpoint("GET", f"{BASE}/tses", _KNOWN, "List the TSEs",
             tses.list_tses, responses.TseList, requests.NoParams, NoBody),
    Endpoint("GET", _TSE, _KNOWN, "Everything known of a TSE, without asking it",
             tses.get_tse, responses.TseDetails, OfTse, NoBody, (UnknownDevice,)),
    Endpoint("GET", f"{_TSE}/health", _KNOWN, "State of its flash memory",
             tses.get_health, responses.Health, OfTse, NoBody, _ASKED),
    Endpoint("GET", f"{_TSE}/certificates", _KNOWN, "Its certificates, its own first (PEM)",
             tses.get_certificates, tses.PEM, OfTse, NoBody, (*_READ, NoCertificate)),
    Endpoint("GET", f"{_TSE}/dsfinvk", _KNOWN, "Its row of tse.csv (DSFinV-K)",
             tses.get_dsfinvk, responses.DsfinvkTse, OfTse, NoBody, (*_READ, NoCertificate)),
    Endpoint("GET", f"{_TSE}/dsfinvk.csv", _KNOWN, "The file tse.csv (DSFinV-K) with this one row",
             tses.get_dsfinvk_csv, tses.CSV, requests.DsfinvkRow, NoBody, (*_READ, NoCertificate)),
    Endpoint("GET", f"{_TSE}/elster", _KNOWN, "What the report to the tax office asks",
             tses.get_elster, responses.ElsterSheet, OfTse, NoBody, (*_READ, NoCertificate)),

    Endpoint("POST", f"{_TSE}/sign", _SIGNING, "Sign a whole receipt: start and finish in one",
             transactions.sign_receipt, ReceiptAnswer, requests.SignOnTse, SignBody, _CHECKED, keyed=True),
    Endpoint("POST", f"{_TSE}/transactions", _SIGNING, "Start a transaction",
             transactions.start_transaction, ReceiptAnswer, requests.SignOnTse, SignBody, _CHECKED, keyed=True),
    Endpoint("POST", f"{_TRANSACTION}/update", _SIGNING, "Update a transaction",
             transactions.update_transaction, ReceiptAnswer, requests.SignInTransaction, SignBody, _CHECKED,
             keyed=True),
    Endpoint("POST", f"{_TRANSACTION}/finish", _SIGNING, "Finish a transaction",
             transactions.finish_transaction, ReceiptAnswer, requests.SignInTransaction, SignBody, _CHECKED,
             keyed=True),
    Endpoint("POST", f"{_TRANSACTION}/cancel", _SIGNING, "Finish a transaction as an aborted receipt",
             transactions.cancel_transaction, ReceiptAnswer, OfTransaction, requests.CancelBody, _SIGNED, keyed=True,
             description="The gateway never does this by itself; it signs AVBelegabbruch as Kassenbeleg-V1."),
    Endpoint("GET", f"{_TSE}/transactions/open", _SIGNING, "Open transactions of a client, or of all",
             transactions.open_transactions, responses.OpenTransactions, OfClient, NoBody, _BY_COMMAND),
    Endpoint("GET", f"{_TSE}/transactions/last", _SIGNING, "The last signed step of a client, or of any",
             transactions.last_transaction, ReceiptAnswer, OfClient, NoBody,
             (*_ASKED, StoreClosed, TransactionNotFound)),
    Endpoint("GET", _TRANSACTION, _SIGNING, "The last step of one of the last transactions, from the store",
             transactions.get_transaction, ReceiptAnswer, OfTransaction, NoBody, (*_READ, TransactionNotFound)),
    Endpoint("GET", f"{_TRANSACTION}/qr", _SIGNING, "The QR code of one of the last receipts",
             transactions.get_qr_code, "image/*", requests.QrOf, NoBody, (*_READ, TransactionNotFound, NoQrCode)),

    Endpoint("GET", f"{_TSE}/export", _EXPORTS, "All log messages (TAR); can be resumed by range",
             exports.export_all, exports.TAR, OfTse, NoBody,
             (*_READ, RangeInvalid, ExportChanged), statuses=(200, 206),
             headers={"ETag": "names this state of the store, for If-Range",
                      exports.CURSOR: "for the next incremental export"}),
    Endpoint("GET", f"{_TSE}/export/filtered", _EXPORTS, "Log messages by time, number and client (TAR)",
             exports.export_matching, exports.TAR, requests.ExportFilter, NoBody, (*_READ, NothingToExport)),
    Endpoint("GET", f"{_TSE}/export/new", _EXPORTS, "Log messages since an earlier export (TAR)",
             exports.export_new, exports.TAR, requests.NewerThan, NoBody, (*_READ, NothingToExport, CursorInvalid),
             headers={exports.CURSOR: "for the next incremental export"}),

    Endpoint("GET", f"{BASE}/outages", _OUTAGES, "Times in which a TSE could not be used",
             outages.list_outages, responses.OutageList, requests.OutageFilter, NoBody, (OutagesUnreadable,)),
    Endpoint("GET", f"{BASE}/outages.csv", _OUTAGES, "The same for spreadsheets, as Excel in Germany reads them",
             outages.get_outages_csv, outages.CSV, requests.OutageFilter, NoBody, (OutagesUnreadable,),
             description="UTF-8 with byte order mark, semicolons, CRLF; local times, UTC times, whole seconds."),
    Endpoint("POST", f"{_TSE}/retire", _OUTAGES, "Miss a TSE no longer that is gone for good",
             outages.retire_tse, responses.Done, OfTse, NoBody, (TseInUse, UnknownDevice),
             description="For one that broke or was lost; one that was decommissioned is not missed anyway."),
    Endpoint("GET", f"{BASE}/outages.html", _OUTAGES, "The same to print, for the auditor (AEAO on 146a, 1.14.1)",
             outages.get_outages_page, outages.HTML, requests.OutageFilter, NoBody, (OutagesUnreadable,)),

    Endpoint("GET", f"{BASE}/archives", _ARCHIVE, "List the archives, also of TSEs that are gone",
             archive.list_archives, ArchiveList, requests.NoParams, NoBody),
    Endpoint("GET", f"{_TSE}/archive", _ARCHIVE, "What the archive of a TSE holds, and how sure that is",
             archive.get_archive, ArchiveStatus, OfTse, NoBody, (UnknownDevice,)),
    Endpoint("POST", f"{_TSE}/archive/run", _ARCHIVE, "Bring the archive up to date now; answers when that is done",
             archive.run_archive, ArchiveRun, OfTse, NoBody, (*_READ, *_ARCHIVING),
             description="Goes on if the client hangs up. Tills go first; the first run of a full TSE takes hours."),
    Endpoint("GET", f"{_TSE}/archive/files/{{name}}", _ARCHIVE, "A segment (TAR) or its manifest (JSON)",
             archive.get_archive_file, "application/*", requests.ArchiveFile, NoBody, _ARCHIVED, statuses=(200, 206),
             headers={"ETag": "SHA-256 of the file, for If-Range"}),
    Endpoint("GET", f"{_TSE}/archive/export", _ARCHIVE, "The store of a TSE, rebuilt from its archive (TAR)",
             archive.export_archive, exports.TAR, requests.ArchiveSeries, NoBody, _ARCHIVED, statuses=(200, 206),
             headers={"ETag": "names this state of the archive, for If-Range"},
             description="Byte for byte the full export of the moment when the archive was last written."),

    Endpoint("POST", f"{_TSE}/self-test", _OPERATOR, "Run the self test; takes up to a minute",
             administration.run_self_test, responses.Done, OfTse, requests.SelfTestBody, _BY_COMMAND),
    Endpoint("POST", f"{_TSE}/time", _OPERATOR, "Set the time of the TSE to that of the gateway",
             administration.set_time, responses.TimeSet, OfTse, requests.TimeBody, (*_USERS, ClockNotTrusted)),
    Endpoint("POST", f"{_TSE}/clients/list", _OPERATOR, "List the registered clients",
             administration.list_clients, responses.Clients, OfTse, requests.AdminBody, _USERS,
             description="A POST, since the TSE asks for the PIN of its Admin; costs two signatures."),
    Endpoint("POST", f"{_TSE}/clients/register", _OPERATOR, "Register a client",
             administration.register_client, responses.Done, OfTse, requests.ClientBody, _USERS),
    Endpoint("POST", f"{_TSE}/clients/deregister", _OPERATOR, "Deregister a client",
             administration.deregister_client, responses.Done, OfTse, requests.ClientBody, _USERS),
    Endpoint("POST", f"{_TSE}/pin", _OPERATOR, "Change a PIN",
             administration.change_pin, responses.Done, OfTse, requests.PinBody, _USERS),
    Endpoint("POST", f"{_TSE}/puk", _OPERATOR, "Change the PUK",
             administration.change_puk, responses.Done, OfTse, requests.PukBody, _USERS),
    Endpoint("POST", f"{_TSE}/unblock", _OPERATOR, "Set a new PIN by the PUK",
             administration.unblock_pin, responses.Done, OfTse, requests.UnblockBody, _USERS),
    Endpoint("POST", f"{_TSE}/confirmations", _OPERATOR, "Ask for the token of an irreversible step",
             administration.ask_confirmation, responses.ConfirmationAnswer, OfTse, requests.ConfirmationBody,
             (UnknownDevice,)),
    Endpoint("POST", f"{_TSE}/setup", _OPERATOR, "Put a fresh TSE into service",
             administration.set_up, responses.Done, OfTse, requests.SetupBody,
             (*_IRREVERSIBLE, NotFresh, ClockNotTrusted)),
    Endpoint("POST", f"{_TSE}/decommission", _OPERATOR, "Take a TSE out of service for good",
             administration.decommission, responses.Done, OfTse, requests.DecommissionBody, _IRREVERSIBLE),
    Endpoint("POST", f"{_TSE}/delete-stored-data", _OPERATOR, "Delete the log messages in a TSE",
             administration.delete_stored_data, responses.Deleted, OfTse, requests.DeletionBody,
             (*_IRREVERSIBLE, StoreClosed, NotExported, CursorInvalid, RestNotKept, NotArchived, *_ARCHIVING),
             description="Brings the archive up to date first; unless that is whole and verified nothing is deleted."),
)
# fmt: on


def routes(services: Services) -> list[web.RouteDef]:
    """Every endpoint, and the document that describes them."""
    # Fixed paths before those with parameters: `transactions/open` is no number.
    ordered = sorted(ENDPOINTS, key=lambda endpoint: len(endpoint.path_names))
    return [web.get(DOCUMENT, _document, allow_head=False), *(route(endpoint, services) for endpoint in ordered)]


async def _document(_: web.Request) -> web.Response:
    return ok_json(await asyncio.to_thread(_described))


@functools.cache
def _described() -> dict[str, Any]:
    from gateway.server.api import openapi

    return openapi.document(ENDPOINTS)
