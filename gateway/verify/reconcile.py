"""Compares what a till exported (DSFinV-K) with what its TSEs signed: each row with its transaction, and both ways."""

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.errors import ConfigurationError, ProtocolError
from gateway.i18n.remedies import REASONS
from gateway.i18n.text import Text, joined, literal, reason_of
from gateway.storage import strict_json
from gateway.tse.certificates import key_of, serial_of
from gateway.tse.dsfinvk import CERTIFICATE_COLUMNS, MAX_PROCESS_DATA, MAX_PROCESS_TYPE, tse_columns
from gateway.verify.findings import SERIAL, Code, Findings, ReconcileReport
from gateway.verify.keys import load_quietly
from gateway.verify.report import iso_time
from gateway.verify.signed_transactions import SignedTransactions, Transaction
from gateway.verify.till_export import Key, Row, TillExport

_NO_NUMBER = Text("TSE_TANR {number!r} is no number", "TSE_TANR {number!r} ist keine Zahl")
_NUMBER, _NUMBER_OF = (
    Text("No-{number}", "No-{number}"),
    Text("No-{number}, serial {serial}", "No-{number}, Seriennummer {serial}"),
)
_DIFFERS = Text("No-{number}: {difference}", "No-{number}: {difference}")
_NO_TSE = Text(
    "TSE_ID {tse!r} of this closing is not in tse.csv", "die TSE_ID {tse!r} dieses Abschlusses fehlt in tse.csv"
)
_RECEIPT = Text("receipt {receipt}, {time}{error}", "Beleg {receipt}, {time}{error}")
_NO_TIME = Text("no time", "ohne Zeit")
_EXTRA = Text(
    "Sig-{counter}, client {client}, {time}, serial {serial}",
    "Sig-{counter}, Kasse {client}, {time}, Seriennummer {serial}",
)
_CLIENT = Text("client {client}", "Kasse {client}")
_OUTSIDE = Text("{count} transactions of serial {serial}", "{count} Transaktionen der Seriennummer {serial}")
_SIGNED = Text("{column} {given}, signed was {signed}", "{column} {given}, signiert ist {signed}")
_NO_SIGNATURE = Text("TSE_TA_SIG is not the signature", "TSE_TA_SIG ist nicht die Signatur")
_EMPTY = Text("TSE_TA_SIG is empty", "TSE_TA_SIG ist leer")
_OTHER_TILL = Text(
    "the till is {tills}, signed was for client {client}", "die Kasse ist {tills}, signiert ist für die Kasse {client}"
)
_CERTIFICATE = Text("TSE_ZERTIFIKAT_I and following: {error}", "TSE_ZERTIFIKAT_I und folgende: {error}")
_ANOTHER = Text("another certificate than in the export", "ein anderes Zertifikat als im Export")
_OTHER_SERIAL = Text(
    "TSE_SERIAL is {given}, the key of the certificate has {serial}",
    "TSE_SERIAL ist {given}, der Schlüssel des Zertifikats hat {serial}",
)
_OTHER_KEY = Text(
    "TSE_PUBLIC_KEY is not the key of the certificate", "TSE_PUBLIC_KEY ist nicht der Schlüssel des Zertifikats"
)
_SIGNS_WITH = Text("{column} {given}, the TSE signs with {used}", "{column} {given}, die TSE signiert mit {used}")
_CLOCKS_DIFFER = 60  # seconds between the clocks of till and gateway

OnFileProgress = Callable[[str, int, int], None]  # file, messages read, messages in all


@dataclass(frozen=True, slots=True)
class RecordedOutage:
    """An outage of the gateway's list in Unix seconds; an empty serial means all TSEs, `ended` None: it lasts."""

    serial: str
    began: float
    ended: float | None
    reason: str

    def explains(self, serial: str | None, start: int, end: int) -> bool:
        """Tell whether a receipt of that time could not be signed by that TSE; `None` is any."""
        if serial is not None and self.serial not in ("", serial):
            return False
        return self.began - _CLOCKS_DIFFER <= end and (self.ended is None or start <= self.ended + _CLOCKS_DIFFER)


def load_outages(path: Path) -> list[RecordedOutage]:
    """Return the outages of a file that `tse-gateway outages --json` wrote.

    Raises:
        ConfigurationError: it is another file.
    """
    try:
        return [
            RecordedOutage(
                (one["tse_serial"] or "").lower(),
                _moment(one["began"]),
                None if one["ended"] is None else _moment(one["ended"]),
                str(one["reason"]),
            )
            for one in strict_json.parse(path.read_bytes())["outages"]
            if not one.get("served_by")  # a standby signed then
        ]
    except OSError as error:
        raise ConfigurationError(
            Text("{path} cannot be read: {reason}", "{path} lässt sich nicht lesen: {reason}"),
            path=path,
            reason=reason_of(error),
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigurationError(
            Text(
                "{path} is no list of outages: tse-gateway outages --json writes one",
                "{path} ist keine Liste von Ausfällen: tse-gateway outages --json schreibt eine",
            ),
            path=path,
        ) from None


def reconcile(
    exports: Sequence[Path],
    directory: Path,
    *,
    outages: Sequence[RecordedOutage] = (),
    since: int | None = None,
    until: int | None = None,
    progress: OnFileProgress | None = None,
) -> ReconcileReport:
    """Compare the DSFinV-K export in `directory` with TAR exports of its TSEs; signatures are not checked.

    `since` and `until` (Unix seconds, both included) limit both sides by the end of transactions. Without them, signed
    transactions from the first to the last that has a row are looked for.

    Raises:
        ConfigurationError: the files of the till cannot be used.
        OSError: an export cannot be read.
    """
    till = TillExport(directory)
    with SignedTransactions() as signed:
        findings = Findings()
        for path in exports:
            told = None if progress is None else _named(progress, str(path))
            signed.read(path, findings, told)
        comparison = _Comparison(signed, till, outages, since, until, findings)
        comparison.compare_tses()
        comparison.compare_rows()
        comparison.look_for_rows()
    return ReconcileReport(comparison.rows, comparison.agreeing, comparison.transactions, findings)


@dataclass(slots=True)
class _Comparison:
    signed: SignedTransactions
    till: TillExport
    outages: Sequence[RecordedOutage]
    since: int | None
    until: int | None
    findings: Findings
    rows: int = 0
    agreeing: int = 0
    transactions: int = 0
    first: int | None = None  # ends of transactions that have a row
    last: int | None = None
    matched_clients: set[tuple[bytes, str]] = field(default_factory=set)
    unsigned: dict[Key, list[Row]] = field(default_factory=dict)

    # ---- tse.csv ---------------------------------------------------------------

    def compare_tses(self) -> None:
        for row in self.till.tses:
            for problem in _tse_problems(row, self.signed):
                self.findings.add(Code.DSFINVK_TSE, row.place, problem)

    # ---- rows ------------------------------------------------------------------

    def compare_rows(self) -> None:
        for row in self.till.rows():
            end = row.time("TSE_TA_ENDE")
            if end is not None and not self._in_period(end):
                continue
            self.rows += 1
            if row["TSE_TA_SIG"] or row["TSE_TANR"]:
                self._compare(row)
            else:
                self._hold(row)
        self._explain_unsigned()

    def _compare(self, row: Row) -> None:
        serial, number = self._serial(row), row.number("TSE_TANR")
        if serial is None:
            return
        if number is None:
            self.findings.add(Code.DSFINVK_FORM, row.place, _NO_NUMBER, number=row["TSE_TANR"])
            return
        found = self.signed.find(serial, number)
        if not row["TSE_TA_SIG"] and (found is None or found.finished is None):
            self._hold(row)
        elif found is None:
            self.findings.add(Code.DSFINVK_MISSING, row.place, _NUMBER_OF, number=number, serial=serial.hex())
        elif found.finished is None:
            self.findings.add(Code.DSFINVK_UNFINISHED, row.place, _NUMBER, number=number)
        else:
            self._compare_fields(row, found, found.finished)

    def _compare_fields(self, row: Row, found: Transaction, finished: int) -> None:
        self.first = finished if self.first is None else min(self.first, finished)
        self.last = finished if self.last is None else max(self.last, finished)
        self.matched_clients.add((found.serial, found.client))
        if found.rows > 1:
            self.findings.add(Code.DSFINVK_REPEATED, row.place, _NUMBER, number=found.number)
        differences = list(_differences(row, found, self.till.clients.get(row["Z_KASSE_ID"])))
        for difference in differences:
            self.findings.add(Code.DSFINVK_DIFFERS, row.place, _DIFFERS, number=found.number, difference=difference)
        self.agreeing += not differences and found.rows == 1

    def _serial(self, row: Row) -> bytes | None:
        text = self.till.serial(row)
        if text is None:
            self.findings.add(Code.DSFINVK_TSE, row.place, _NO_TSE, tse=row["TSE_ID"])
            return None
        known = next((serial for serial in self.signed.tses if serial.hex() == text), None)
        if known is None:
            self.findings.add(Code.DSFINVK_NO_EXPORT, row.place, SERIAL, serial=text)
        return known

    # ---- rows without signature --------------------------------------------------

    def _hold(self, row: Row) -> None:
        self.unsigned.setdefault(row.receipt, []).append(row)

    def _explain_unsigned(self) -> None:
        times = self.till.receipt_times(self.unsigned) if self.unsigned else {}
        for key, rows in self.unsigned.items():
            for row in rows:
                given = (row.time("TSE_TA_START"), row.time("TSE_TA_ENDE"))
                known = [time for time in (*given, *times.get(key, ())) if time is not None]
                self._explain(row, known)

    def _explain(self, row: Row, times: Sequence[int]) -> None:
        if times and not self._in_period(max(times)):
            self.rows -= 1
            return
        error = f" {row['TSE_TA_FEHLER']}".rstrip()
        said = _RECEIPT.filled(receipt=row["BON_ID"], time=iso_time(max(times)) if times else _NO_TIME, error=error)
        serial = self.till.serial(row)
        fitting = (one for one in self.outages if times and one.explains(serial, min(times), max(times)))
        outage = next(fitting, None)
        if outage is None:
            self.findings.add(Code.DSFINVK_UNSIGNED, row.place, said)
        else:
            self.findings.add(
                Code.DSFINVK_OUTAGE,
                row.place,
                joined([said, REASONS.get(outage.reason, literal(*[outage.reason] * 2))], "; "),
            )

    # ---- signed transactions -------------------------------------------------------

    def look_for_rows(self) -> None:
        """Look for transactions of the tills of the export that have no row; count those that were not looked for."""
        named = {client for clients in self.till.clients.values() for client in clients}
        others = Counter[tuple[bytes, str]]()
        for one in self.signed.finished():
            end = one.finished or 0
            mine = one.client in named or (one.serial, one.client) in self.matched_clients
            if not one.rows and not (mine and self._in_span(end)):
                others[one.serial, one.client] += 1
                continue
            self.transactions += 1
            if not one.rows:
                values = {
                    "counter": one.counter,
                    "client": one.client,
                    "time": iso_time(end),
                    "serial": one.serial.hex(),
                }
                self.findings.add(Code.DSFINVK_EXTRA, f"No-{one.number}", _EXTRA, **values)
        for (serial, client), count in others.items():
            place = _CLIENT.filled(client=client)
            self.findings.add(Code.DSFINVK_OUTSIDE, place, _OUTSIDE, count=count, serial=serial.hex())

    def _in_period(self, end: int) -> bool:
        return (self.since is None or self.since <= end) and (self.until is None or end <= self.until)

    def _in_span(self, end: int) -> bool:
        since, until = (self.since, self.until) if (self.since, self.until) != (None, None) else (self.first, self.last)
        return (since is None or since <= end) and (until is None or end <= until)


def _differences(row: Row, found: Transaction, clients: set[str] | None) -> Iterator[Text]:
    """Yield what a row says otherwise than what was signed."""
    for column, was in (("TSE_TA_START", found.started), ("TSE_TA_ENDE", found.finished)):
        if was is not None and row.time(column) != was:
            yield _SIGNED.filled(column=column, given=repr(row[column]), signed=iso_time(was))
    if row.number("TSE_TA_SIGZ") != found.counter:
        yield _SIGNED.filled(column="TSE_TA_SIGZ", given=repr(row["TSE_TA_SIGZ"]), signed=found.counter)
    if _base64(row["TSE_TA_SIG"]) != found.signature:
        yield _NO_SIGNATURE if row["TSE_TA_SIG"] else _EMPTY
    process_type, process_data = found.process_type or "", found.process_data or ""
    if row["TSE_TA_VORGANGSART"] != process_type[:MAX_PROCESS_TYPE]:
        given = repr(row["TSE_TA_VORGANGSART"])
        yield _SIGNED.filled(column="TSE_TA_VORGANGSART", given=given, signed=repr(process_type))
    data = row["TSE_VORGANGSDATEN"] or row["TSE_TA_VORGANGSDATEN"]
    if data and data not in (process_data, process_data[:MAX_PROCESS_DATA]):
        yield _SIGNED.filled(column="TSE_VORGANGSDATEN", given=repr(data), signed=repr(process_data))
    if clients and found.client not in clients:
        yield _OTHER_TILL.filled(tills=", ".join(sorted(clients)), client=found.client)


def _tse_problems(row: Row, signed: SignedTransactions) -> Iterator[Text]:
    """Yield what a row of tse.csv says otherwise than the certificate and the messages of the TSE."""
    text = row["TSE_SERIAL"].lower()
    data = _base64("".join(row[column] for column in CERTIFICATE_COLUMNS))
    try:
        stated = load_quietly(data or b"")[0]
        columns = tse_columns(stated, "", "")
    except ProtocolError as error:
        yield _CERTIFICATE.filled(error=error)
        return
    if columns["TSE_SERIAL"].lower() != text:
        yield _OTHER_SERIAL.filled(given=row["TSE_SERIAL"], serial=columns["TSE_SERIAL"])
    if row["TSE_PUBLIC_KEY"] != columns["TSE_PUBLIC_KEY"]:
        yield _OTHER_KEY
    known = signed.certificates.get(serial_of(key_of(stated)))
    if known is not None and known != stated:
        yield _CERTIFICATE.filled(error=_ANOTHER)
    by = next((by for serial, by in signed.tses.items() if serial.hex() == text), None)
    if by is None:
        return
    for column, was in (("TSE_SIG_ALGO", by.algorithm), ("TSE_ZEITFORMAT", by.time_format)):
        if row[column] != was:
            yield _SIGNS_WITH.filled(column=column, given=repr(row[column]), used=was)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _named(progress: OnFileProgress, path: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(path, done, total)
