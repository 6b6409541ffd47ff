"""Compares what a till exported (DSFinV-K) with what its TSEs signed: each row with its transaction, and both ways."""

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.errors import ConfigurationError, ProtocolError
from gateway.i18n.text import Text, reason_of
from gateway.storage import strict_json
from gateway.tse.certificates import key_of, serial_of
from gateway.tse.dsfinvk import CERTIFICATE_COLUMNS, MAX_PROCESS_DATA, MAX_PROCESS_TYPE, tse_columns
from gateway.verify.findings import Code, Findings, ReconcileReport
from gateway.verify.keys import load_quietly
from gateway.verify.report import iso_time
from gateway.verify.signed_transactions import SignedTransactions, Transaction
from gateway.verify.till_export import Key, Row, TillExport

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
            self.findings.add(Code.DSFINVK_FORM, row.place, f"TSE_TANR {row['TSE_TANR']!r} is no number")
            return
        found = self.signed.find(serial, number)
        if not row["TSE_TA_SIG"] and (found is None or found.finished is None):
            self._hold(row)
        elif found is None:
            self.findings.add(Code.DSFINVK_MISSING, row.place, f"No-{number}, serial {serial.hex()}")
        elif found.finished is None:
            self.findings.add(Code.DSFINVK_UNFINISHED, row.place, f"No-{number}")
        else:
            self._compare_fields(row, found, found.finished)

    def _compare_fields(self, row: Row, found: Transaction, finished: int) -> None:
        self.first = finished if self.first is None else min(self.first, finished)
        self.last = finished if self.last is None else max(self.last, finished)
        self.matched_clients.add((found.serial, found.client))
        if found.rows > 1:
            self.findings.add(Code.DSFINVK_REPEATED, row.place, f"No-{found.number}")
        differences = list(_differences(row, found, self.till.clients.get(row["Z_KASSE_ID"])))
        for difference in differences:
            self.findings.add(Code.DSFINVK_DIFFERS, row.place, f"No-{found.number}: {difference}")
        self.agreeing += not differences and found.rows == 1

    def _serial(self, row: Row) -> bytes | None:
        text = self.till.serial(row)
        if text is None:
            self.findings.add(
                Code.DSFINVK_TSE, row.place, f"TSE_ID {row['TSE_ID']!r} of this closing is not in tse.csv"
            )
            return None
        known = next((serial for serial in self.signed.tses if serial.hex() == text), None)
        if known is None:
            self.findings.add(Code.DSFINVK_NO_EXPORT, row.place, f"serial {text}")
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
        said = (
            f"receipt {row['BON_ID']}, {iso_time(max(times)) if times else 'no time'} {row['TSE_TA_FEHLER']}".rstrip()
        )
        serial = self.till.serial(row)
        fitting = (one for one in self.outages if times and one.explains(serial, min(times), max(times)))
        outage = next(fitting, None)
        if outage is None:
            self.findings.add(Code.DSFINVK_UNSIGNED, row.place, said)
        else:
            self.findings.add(Code.DSFINVK_OUTAGE, row.place, f"{said}; {outage.reason}")

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
                said = f"Sig-{one.counter}, client {one.client}, {iso_time(end)}, serial {one.serial.hex()}"
                self.findings.add(Code.DSFINVK_EXTRA, f"No-{one.number}", said)
        for (serial, client), count in others.items():
            said = f"{count} transactions of serial {serial.hex()}"
            self.findings.add(Code.DSFINVK_OUTSIDE, f"client {client}", said)

    def _in_period(self, end: int) -> bool:
        return (self.since is None or self.since <= end) and (self.until is None or end <= self.until)

    def _in_span(self, end: int) -> bool:
        since, until = (self.since, self.until) if (self.since, self.until) != (None, None) else (self.first, self.last)
        return (since is None or since <= end) and (until is None or end <= until)


def _differences(row: Row, found: Transaction, clients: set[str] | None) -> Iterator[str]:
    """Yield what a row says otherwise than what was signed."""
    for column, was in (("TSE_TA_START", found.started), ("TSE_TA_ENDE", found.finished)):
        if was is not None and row.time(column) != was:
            yield f"{column} {row[column]!r}, signed was {iso_time(was)}"
    if row.number("TSE_TA_SIGZ") != found.counter:
        yield f"TSE_TA_SIGZ {row['TSE_TA_SIGZ']!r}, signed was {found.counter}"
    if _base64(row["TSE_TA_SIG"]) != found.signature:
        yield "TSE_TA_SIG is not the signature" if row["TSE_TA_SIG"] else "TSE_TA_SIG is empty"
    process_type, process_data = found.process_type or "", found.process_data or ""
    if row["TSE_TA_VORGANGSART"] != process_type[:MAX_PROCESS_TYPE]:
        yield f"TSE_TA_VORGANGSART {row['TSE_TA_VORGANGSART']!r}, signed was {process_type!r}"
    data = row["TSE_VORGANGSDATEN"] or row["TSE_TA_VORGANGSDATEN"]
    if data and data not in (process_data, process_data[:MAX_PROCESS_DATA]):
        yield f"TSE_VORGANGSDATEN {data!r}, signed was {process_data!r}"
    if clients and found.client not in clients:
        yield f"the till is {', '.join(sorted(clients))}, signed was for client {found.client}"


def _tse_problems(row: Row, signed: SignedTransactions) -> Iterator[str]:
    """Yield what a row of tse.csv says otherwise than the certificate and the messages of the TSE."""
    text = row["TSE_SERIAL"].lower()
    data = _base64("".join(row[column] for column in CERTIFICATE_COLUMNS))
    try:
        stated = load_quietly(data or b"")[0]
        columns = tse_columns(stated, "", "")
    except ProtocolError as error:
        yield f"TSE_ZERTIFIKAT_I and following: {error}"
        return
    if columns["TSE_SERIAL"].lower() != text:
        yield f"TSE_SERIAL is {row['TSE_SERIAL']}, the key of the certificate has {columns['TSE_SERIAL']}"
    if row["TSE_PUBLIC_KEY"] != columns["TSE_PUBLIC_KEY"]:
        yield "TSE_PUBLIC_KEY is not the key of the certificate"
    known = signed.certificates.get(serial_of(key_of(stated)))
    if known is not None and known != stated:
        yield "TSE_ZERTIFIKAT_I and following: another certificate than in the export"
    by = next((by for serial, by in signed.tses.items() if serial.hex() == text), None)
    if by is None:
        return
    for column, was in (("TSE_SIG_ALGO", by.algorithm), ("TSE_ZEITFORMAT", by.time_format)):
        if row[column] != was:
            yield f"{column} {row[column]!r}, the TSE signs with {was}"


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _named(progress: OnFileProgress, path: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(path, done, total)
