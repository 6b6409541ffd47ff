"""Status and title of each kind of error; one without a row of its own has that of its nearest base."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from gateway.access.audit import AuditUnreadable
from gateway.access.tokens import TokenRefused, TokenUnknown
from gateway.archive.deletion import NotArchived, NotExported, RestNotKept
from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten, NothingArchived
from gateway.archive.run import Stopped
from gateway.errors import (
    BadRequest,
    CommandRejected,
    ConfigurationError,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    ExportInterrupted,
    Forbidden,
    GatewayError,
    InvalidSession,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
    Unauthorized,
    UnknownDevice,
)
from gateway.fleet.outages.log import OutagesUnreadable
from gateway.fleet.pins.memory import NotRemembered
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry, PinWithheld
from gateway.fleet.pool import CannotServe, NoPool
from gateway.i18n.text import Text
from gateway.notifications.service import NotificationsOff
from gateway.operations.administration import ClockNotTrusted, PukPaused
from gateway.operations.confirmations import NotConfirmed
from gateway.operations.elster import SiteIncomplete, UnknownTill
from gateway.operations.exports import CursorInvalid, NothingToExport
from gateway.operations.history import TransactionNotFound
from gateway.operations.journal import JournalFailed
from gateway.operations.masterdata import NoCertificate
from gateway.operations.outage_report import TseInUse
from gateway.operations.pool_signing import BegunElsewhere
from gateway.operations.receipt import NoQrCode
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.setup import NotFresh
from gateway.operations.store import StoreClosed
from gateway.operations.transactions import KeyReused
from gateway.server.api.errors import ExportChanged, InvalidRequest, ProcessDataForm, RangeInvalid, TooManyStreams


class ProblemType(NamedTuple):
    """How one kind of error is told: its HTTP status, and a title that is the same for all errors of the kind."""

    status: HTTPStatus
    title: Text


PROBLEM_TYPES: Mapping[type[GatewayError], ProblemType] = {
    GatewayError: ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        Text(
            "The gateway made an error; its log tells more", "Das Gateway hat einen Fehler gemacht; sein Log sagt mehr"
        ),
    ),
    ConfigurationError: ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        Text("The gateway cannot work with its settings", "Das Gateway kann mit seinen Einstellungen nicht arbeiten"),
    ),
    NotRemembered: ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE,
        Text("The disk of the gateway cannot be written", "Der Datenträger des Gateways ist nicht beschreibbar"),
    ),
    BadRequest: ProblemType(
        HTTPStatus.BAD_REQUEST,
        Text("The request is wrong; nothing was done", "Die Anfrage ist falsch; es wurde nichts getan"),
    ),
    InvalidRequest: ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        Text("The body does not have the documented form", "Der Body hat nicht die dokumentierte Form"),
    ),
    ProcessDataForm: ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        Text("The process data do not have the form of their type", "Die processData haben nicht die Form ihres Typs"),
    ),
    Unauthorized: ProblemType(
        HTTPStatus.UNAUTHORIZED, Text("The API token is wrong or missing", "Das API-Token ist falsch oder fehlt")
    ),
    Forbidden: ProblemType(
        HTTPStatus.FORBIDDEN,
        Text(
            "The token may not do this, or not for this TSE or client id",
            "Das Token darf dies nicht, oder nicht für diese TSE oder Client-ID",
        ),
    ),
    RangeInvalid: ProblemType(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        Text("The range lies outside the file", "Der Bereich liegt außerhalb der Datei"),
    ),
    ExportChanged: ProblemType(
        HTTPStatus.PRECONDITION_FAILED,
        Text(
            "The store is no longer the one that the condition names",
            "Der Speicher ist nicht mehr der, den die Bedingung nennt",
        ),
    ),
    UnknownDevice: ProblemType(
        HTTPStatus.NOT_FOUND,
        Text("No TSE with this serial is attached", "Keine TSE mit dieser Seriennummer ist angeschlossen"),
    ),
    DeviceError: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text("The TSE could not be reached or used", "Die TSE war nicht erreichbar oder nicht benutzbar"),
    ),
    DeviceGone: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text(
            "The TSE was unplugged, or its connection failed", "Die TSE wurde abgezogen, oder ihre Verbindung brach ab"
        ),
    ),
    DeviceTimeout: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text("The TSE did not reply in time", "Die TSE hat nicht rechtzeitig geantwortet"),
    ),
    ResponseMissing: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text("The TSE replied to another command", "Die TSE hat auf einen anderen Befehl geantwortet"),
    ),
    PowerCycleDetected: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text(
            "The TSE lost power: login, time and self test are gone",
            "Die TSE war ohne Strom: Anmeldung, Zeit und Selbsttest sind weg",
        ),
    ),
    LockRefused: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE, Text("Another client holds the TSE", "Ein anderer Client hält die TSE")
    ),
    InvalidSession: ProblemType(
        HTTPStatus.BAD_REQUEST, Text("The session is unknown or over", "Die Sitzung ist unbekannt oder beendet")
    ),
    CommandRejected: ProblemType(
        HTTPStatus.CONFLICT, Text("The TSE refused the command", "Die TSE hat den Befehl abgelehnt")
    ),
    ProtocolError: ProblemType(
        HTTPStatus.BAD_GATEWAY,
        Text("The TSE replied in an unknown form", "Die TSE hat in unbekannter Form geantwortet"),
    ),
    ExportInterrupted: ProblemType(
        HTTPStatus.CONFLICT, Text("A part of the export may be lost", "Ein Teil des Exports kann verloren sein")
    ),
    PinWithheld: ProblemType(
        HTTPStatus.FORBIDDEN,
        Text(
            "The PIN or PUK was not sent: it could lock the TSE",
            "Die PIN oder PUK wurde nicht gesendet: Sie könnte die TSE sperren",
        ),
    ),
    LastTry: ProblemType(
        HTTPStatus.FORBIDDEN,
        Text(
            "Only one try is left, so the PIN or PUK was not sent",
            "Nur ein Versuch ist übrig, daher wurde die PIN oder PUK nicht gesendet",
        ),
    ),
    KnownWrong: ProblemType(
        HTTPStatus.FORBIDDEN,
        Text(
            "The TSE has refused this PIN or PUK before, so it was not sent",
            "Die TSE hat diese PIN oder PUK schon abgelehnt, daher wurde sie nicht gesendet",
        ),
    ),
    ClockNotTrusted: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The clock of the gateway is not known to be right",
            "Dass die Uhr des Gateways richtig geht, ist nicht bekannt",
        ),
    ),
    PukPaused: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The TSE takes no PUK for a while, since the last one was wrong",
            "Die TSE nimmt eine Weile keine PUK, weil die letzte falsch war",
        ),
    ),
    NotFresh: ProblemType(HTTPStatus.CONFLICT, Text("The TSE was set up before", "Die TSE ist schon eingerichtet")),
    NotConfirmed: ProblemType(
        HTTPStatus.FORBIDDEN,
        Text(
            "The confirmation is missing, over, used, or for something else",
            "Die Bestätigung fehlt, ist abgelaufen, verbraucht oder für etwas anderes",
        ),
    ),
    KeyReused: ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        Text(
            "This Idempotency-Key belongs to another request", "Dieser Idempotency-Key gehört zu einer anderen Anfrage"
        ),
    ),
    OutcomeUnknown: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "Whether the TSE signed under this key can no longer be found out",
            "Ob die TSE unter diesem Key signiert hat, ist nicht mehr festzustellen",
        ),
    ),
    EndedOtherwise: ProblemType(
        HTTPStatus.CONFLICT,
        Text("The transaction was finished with other data", "Die Transaktion wurde mit anderen Daten beendet"),
    ),
    JournalFailed: ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE,
        Text(
            "The journal cannot be written, so no key can be used",
            "Das Journal ist nicht beschreibbar, daher kann kein Key benutzt werden",
        ),
    ),
    TransactionNotFound: ProblemType(
        HTTPStatus.NOT_FOUND,
        Text(
            "The transaction is not among the last ones in the store",
            "Die Transaktion ist nicht unter den letzten im Speicher",
        ),
    ),
    NoQrCode: ProblemType(HTTPStatus.CONFLICT, Text("This step has no QR code", "Dieser Schritt hat keinen QR-Code")),
    StoreClosed: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The TSE shows its store only after a passed self test",
            "Die TSE zeigt ihren Speicher erst nach bestandenem Selbsttest",
        ),
    ),
    NoCertificate: ProblemType(
        HTTPStatus.BAD_GATEWAY,
        Text(
            "The store holds no certificate for the key of this TSE",
            "Der Speicher enthält kein Zertifikat für den Schlüssel dieser TSE",
        ),
    ),
    NothingToExport: ProblemType(
        HTTPStatus.NOT_FOUND,
        Text("No log message matches, or none is new", "Keine Log-Nachricht passt, oder keine ist neu"),
    ),
    CursorInvalid: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The cursor is not of this store, or stored data were deleted since",
            "Der Cursor ist nicht von diesem Speicher, oder Daten wurden seither gelöscht",
        ),
    ),
    NothingArchived: ProblemType(
        HTTPStatus.NOT_FOUND,
        Text("The archive has no such file, series, or TSE", "Das Archiv hat keine solche Datei, Serie oder TSE"),
    ),
    ArchiveBusy: ProblemType(
        HTTPStatus.CONFLICT,
        Text("The archive of this TSE is being written", "Das Archiv dieser TSE wird gerade geschrieben"),
    ),
    ArchiveDamaged: ProblemType(
        HTTPStatus.CONFLICT,
        Text("Files of the archive are missing or changed", "Dateien des Archivs fehlen oder sind verändert"),
    ),
    ArchiveNotWritten: ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE, Text("The archive cannot be written", "Das Archiv ist nicht beschreibbar")
    ),
    Stopped: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, Text("The gateway stops", "Das Gateway wird beendet")),
    NotArchived: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The archive does not hold everything that is stored, verified",
            "Das Archiv enthält nicht alles Gespeicherte geprüft",
        ),
    ),
    NotExported: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The export is not a complete one of what is stored now",
            "Der Export ist nicht der vollständige dessen, was jetzt gespeichert ist",
        ),
    ),
    RestNotKept: ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE,
        Text(
            "What was signed last cannot be kept, so nothing is deleted",
            "Das zuletzt Signierte kann nicht aufbewahrt werden, daher wird nichts gelöscht",
        ),
    ),
    UnknownTill: ProblemType(
        HTTPStatus.NOT_FOUND, Text("This till is not in the list of the site", "Diese Kasse steht nicht in der Liste")
    ),
    SiteIncomplete: ProblemType(
        HTTPStatus.CONFLICT,
        Text("The tax office asks for more than is known", "Das Finanzamt fragt nach mehr, als bekannt ist"),
    ),
    TseInUse: ProblemType(
        HTTPStatus.CONFLICT, Text("The TSE is attached and works", "Die TSE ist angeschlossen und arbeitet")
    ),
    NoPool: ProblemType(
        HTTPStatus.NOT_FOUND, Text("This gateway has no pool of TSEs", "Dieses Gateway hat keinen Pool von TSEs")
    ),
    CannotServe: ProblemType(
        HTTPStatus.CONFLICT,
        Text("This TSE cannot serve for the pool now", "Diese TSE kann jetzt nicht für den Pool signieren"),
    ),
    BegunElsewhere: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text(
            "The receipt was begun on a TSE that has failed, and no other signs it under this key",
            "Der Beleg wurde auf einer TSE begonnen, die ausgefallen ist; keine andere signiert ihn unter diesem Key",
        ),
    ),
    TokenUnknown: ProblemType(
        HTTPStatus.NOT_FOUND, Text("There is no token of this name", "Es gibt kein Token dieses Namens")
    ),
    TokenRefused: ProblemType(
        HTTPStatus.CONFLICT,
        Text(
            "The token cannot be made, replaced or revoked like this",
            "So kann das Token nicht angelegt, ersetzt oder widerrufen werden",
        ),
    ),
    TooManyStreams: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Text("Too many clients follow the events", "Zu viele Clients verfolgen die Ereignisse"),
    ),
    NotificationsOff: ProblemType(
        HTTPStatus.CONFLICT, Text("No notifications are set up", "Benachrichtigungen sind nicht eingerichtet")
    ),
    AuditUnreadable: ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        Text("The audit log cannot be read", "Das Protokoll der Verwaltung ist nicht lesbar"),
    ),
    OutagesUnreadable: ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR, Text("The outage log cannot be read", "Das Ausfallprotokoll ist nicht lesbar")
    ),
}
HTTP_TITLES: Mapping[HTTPStatus, Text] = {
    HTTPStatus.NOT_FOUND: Text("There is no such path", "Diesen Pfad gibt es nicht"),
    HTTPStatus.METHOD_NOT_ALLOWED: Text("The path does not take this method", "Der Pfad nimmt diese Methode nicht"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Text("The body is too long", "Der Body ist zu lang"),
    HTTPStatus.REQUEST_TIMEOUT: Text("The body did not come in time", "Der Body kam nicht rechtzeitig"),
    HTTPStatus.SERVICE_UNAVAILABLE: Text("There is no room for the body now", "Für den Body ist gerade kein Platz"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Text(
        "The body is not application/json, or is packed", "Der Body ist nicht application/json oder ist gepackt"
    ),
}
