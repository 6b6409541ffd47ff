"""The transactions of exports by TSE and number, in a temporary database: little memory, however many there are."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509

from gateway.errors import GatewayError, ProtocolError
from gateway.i18n.text import Text
from gateway.tse import log_names
from gateway.tse.certificates import by_serial
from gateway.tse.logmessage import LogMessage, LogType
from gateway.verify import tar
from gateway.verify.archive import OnProgress
from gateway.verify.findings import Code, Findings
from gateway.verify.messages import MAX_MESSAGE
from gateway.verify.scan import scan

_SCHEMA = """
CREATE TABLE signed (
    serial BLOB, number INTEGER, client TEXT, started INTEGER, finished INTEGER, counter INTEGER,
    process_type TEXT, process_data TEXT, signature BLOB, rows INTEGER DEFAULT 0, PRIMARY KEY (serial, number)
) WITHOUT ROWID
"""
_START = """
INSERT INTO signed (serial, number, client, started) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET started = coalesce(started, excluded.started)
"""
_FINISH = """
INSERT INTO signed (serial, number, client, finished, counter, process_type, process_data, signature)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET client = excluded.client, finished = excluded.finished, counter = excluded.counter,
    process_type = excluded.process_type, process_data = excluded.process_data, signature = excluded.signature
WHERE counter IS NULL
"""
_FIND = "UPDATE signed SET rows = rows + 1 WHERE serial = ? AND number = ? RETURNING *"
_FINISHED = "SELECT * FROM signed WHERE counter IS NOT NULL ORDER BY serial, counter"
_CLIENTS = "SELECT DISTINCT serial, client FROM signed WHERE counter IS NOT NULL ORDER BY serial, client"
_OUT_OF_RANGE = Text("number, counter or time out of their range", "Nummer, Zähler oder Zeit außerhalb ihres Bereichs")
_I64 = 1 << 63  # what the database takes; a TSE that counts so far is forged


@dataclass(frozen=True, slots=True)
class Transaction:
    """A row of the table: what a TSE signed. Log times in Unix seconds, `None` where the exports hold no such message.

    `rows`: how many rows of a till were found for it.
    """

    serial: bytes
    number: int
    client: str
    started: int | None
    finished: int | None
    counter: int | None
    process_type: str | None
    process_data: str | None
    signature: bytes | None
    rows: int


@dataclass(frozen=True, slots=True)
class SignedBy:
    """How a TSE signs, by its first message in the exports: name of the algorithm, format of the log time."""

    algorithm: str
    time_format: str


class SignedTransactions:
    """A context manager. `tses` are those with messages in what was read, `certificates` by serial of their key."""

    def __init__(self) -> None:
        self.tses: dict[bytes, SignedBy] = {}
        self.certificates: dict[bytes, x509.Certificate] = {}
        self._database = sqlite3.connect("", isolation_level=None)  # "": a file without a name, written when needed

    def __enter__(self) -> Self:
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", _SCHEMA, "BEGIN"):
            self._database.execute(statement)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def read(self, path: Path, findings: Findings, progress: OnProgress | None = None) -> None:
        """Add the transactions of an export; what is wrong with the archive itself goes to `findings`.

        Signatures are not checked here. `progress` is told messages read and messages in all.

        Raises:
            OSError: the file cannot be read.
            GatewayError: the directory for temporary files is full.
        """
        scanned, read = scan(path), 0
        findings.merge(scanned.findings)
        self.certificates |= by_serial(scanned.certificates)
        with path.open("rb") as file, _room():
            for start, end in scanned.pieces:
                for entry in tar.entries(file, start, end, Findings()):  # the scan has reported what is wrong
                    if entry.name.endswith(log_names.ENDING):
                        file.seek(entry.start)
                        self._add(file.read(min(entry.size, MAX_MESSAGE)), entry.name, findings)
                        read += 1
                if progress is not None:
                    progress(read, scanned.messages)

    def find(self, serial: bytes, number: int) -> Transaction | None:
        """Return a transaction, and count one more row for it."""
        if number >= _I64:
            return None
        with _room():
            found = self._database.execute(_FIND, (serial, number)).fetchone()
        return None if found is None else Transaction(*found)

    def finished(self) -> Iterator[Transaction]:
        """Yield the finished transactions by TSE and signature counter."""
        with _room():
            for found in self._database.execute(_FINISHED):
                yield Transaction(*found)

    def clients(self) -> list[tuple[bytes, str]]:
        """Return the clients of each TSE that finished a transaction."""
        return list(self._database.execute(_CLIENTS))

    def _add(self, data: bytes, name: str, findings: Findings) -> None:
        try:
            message = LogMessage.decode(data)
        except ProtocolError as error:
            findings.add(Code.MESSAGE_UNREADABLE, name, error.text)
            return
        time_format = message.time_format
        if time_format == "utcTime":
            time_format = "utcTimeWithSeconds"  # the names of DSFinV-K
        elif "." in message.time_text:
            time_format = "generalizedTimeWithMilliseconds"
        self.tses.setdefault(message.serial, SignedBy(message.algorithm_name, time_format))
        number = message.transaction_number
        if message.log_type is not LogType.TRANSACTION or number is None:
            return
        if not all(0 <= value < _I64 for value in (number, message.signature_counter, message.log_time)):
            findings.add(Code.MESSAGE_FORM, name, _OUT_OF_RANGE)
            return
        key = (message.serial, number, message.client_id)
        match message.operation.lower():
            case "starttransaction":
                self._database.execute(_START, (*key, message.log_time))
            case "finishtransaction":
                text = message.process_data.decode("utf-8", "backslashreplace")
                end = (message.log_time, message.signature_counter, message.process_type, text, message.signature)
                self._database.execute(_FINISH, (*key, *end))


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise GatewayError(
            Text(
                "no room for temporary files: {error}; TMPDIR names a directory",
                "kein Platz für temporäre Dateien: {error}; TMPDIR nennt ein Verzeichnis",
            ),
            error=error,
        ) from None
