"""The DSFinV-K export of a till, as far as it tells of TSEs: rows of transactions_tse.csv, and what they refer to.

    transactions_tse.csv   what was signed for each receipt, or why nothing was
    tse.csv                the TSEs, by the number that the rows name
    cashregister.csv       serial number of the till, which is its client id; slaves.csv: those of its terminals
    transactions.csv       times of receipts for which nothing was signed

The last three may be missing. Numbers may have points between thousands.
"""

import csv
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.tse.dsfinvk import CLOSING_COLUMNS, TRANSACTIONS_FILE, TSE_FILE

_TILLS, _TERMINALS, _RECEIPTS = "cashregister.csv", "slaves.csv", "transactions.csv"
_NEEDED = {
    TRANSACTIONS_FILE: (
        *("Z_KASSE_ID", "Z_NR", "BON_ID", "TSE_ID", "TSE_TANR", "TSE_TA_START", "TSE_TA_ENDE"),
        *("TSE_TA_VORGANGSART", "TSE_TA_SIGZ", "TSE_TA_SIG"),
    ),
    TSE_FILE: ("Z_KASSE_ID", "Z_NR", "TSE_ID", "TSE_SERIAL", "TSE_SIG_ALGO", "TSE_ZEITFORMAT", "TSE_PUBLIC_KEY"),
    _TILLS: ("Z_KASSE_ID", "KASSE_SERIENNR"),
    _TERMINALS: ("Z_KASSE_ID", "TERMINAL_SERIENNR"),
    _RECEIPTS: ("Z_KASSE_ID", "Z_NR", "BON_ID", "BON_START", "BON_ENDE"),
}
_DIGITS = 19

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file; columns that it lacks are empty."""

    file: str
    line: int
    fields: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def __getitem__(self, column: str) -> str:
        return self.fields.get(column, "")

    def number(self, column: str) -> int | None:
        """Return the number in a column, `None` if it holds none."""
        text = self[column].replace(".", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None

    def time(self, column: str) -> int | None:
        """Return a moment in Unix seconds, `None` if the column holds none; one without offset is UTC."""
        try:
            found = datetime.fromisoformat(self[column])
            return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            return None

    def local_time(self, column: str) -> int | None:
        """Return a moment in Unix seconds as `time` does; one without offset is the time of this machine."""
        try:
            return int(datetime.fromisoformat(self[column]).timestamp())
        except (ValueError, OverflowError):
            return None

    @property
    def receipt(self) -> Key:
        """What tells a receipt from others."""
        return self["Z_KASSE_ID"], self["Z_NR"], self["BON_ID"]

    @property
    def tse(self) -> Key:
        """What tells a TSE from others."""
        return self["Z_KASSE_ID"], self["Z_NR"], self["TSE_ID"]


class TillExport:
    """The files in a directory. `tses` are the different rows of tse.csv, `clients` the client ids by Z_KASSE_ID.

    Raises:
        ConfigurationError: a file or a column that must be there is missing, or cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.tses: list[Row] = []
        self._serials: dict[Key, str] = {}
        self.clients: dict[str, set[str]] = defaultdict(set)
        seen = set[Key]()
        for row in self._read(TSE_FILE):
            self._serials[row.tse] = row["TSE_SERIAL"].lower()
            content = tuple(value for name, value in row.fields.items() if name not in (*CLOSING_COLUMNS, "TSE_ID"))
            if content not in seen:  # each closing repeats it
                seen.add(content)
                self.tses.append(row)
        for file, column in ((_TILLS, "KASSE_SERIENNR"), (_TERMINALS, "TERMINAL_SERIENNR")):
            for row in self._read(file, optional=True):
                if row[column]:
                    self.clients[row["Z_KASSE_ID"]].add(row[column])

    def rows(self) -> Iterator[Row]:
        """Yield the rows of transactions_tse.csv; errors as of the class."""
        return self._read(TRANSACTIONS_FILE)

    def serial(self, row: Row) -> str | None:
        """Return the serial (hex, lower case) of the TSE that a row names, `None` if tse.csv does not have it."""
        return self._serials.get(row.tse)

    def receipt_times(self, wanted: Container[Key]) -> dict[Key, tuple[int | None, int | None]]:
        """Return begin and end of receipts in Unix seconds."""
        return {
            row.receipt: (row.local_time("BON_START"), row.local_time("BON_ENDE"))
            for row in self._read(_RECEIPTS, optional=True)
            if row.receipt in wanted
        }

    def _read(self, name: str, *, optional: bool = False) -> Iterator[Row]:
        path = self._directory / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from _rows(file, path, name)
        except FileNotFoundError:
            if not optional:
                raise ConfigurationError(
                    Text(
                        "{path} is missing: --dsfinvk names the folder with it",
                        "{path} fehlt: --dsfinvk nennt das Verzeichnis, in dem sie liegt",
                    ),
                    path=path,
                ) from None
        except OSError as error:
            raise ConfigurationError(
                Text("{path} cannot be read: {reason}", "{path} lässt sich nicht lesen: {reason}"),
                path=path,
                reason=reason_of(error),
            ) from None
        except UnicodeDecodeError:
            raise ConfigurationError(
                Text(
                    "{path} is not UTF-8, as DSFinV-K demands: export it again from the till",
                    "{path} ist nicht UTF-8, wie es die DSFinV-K verlangt: noch einmal aus der Kasse exportieren",
                ),
                path=path,
            ) from None


def _rows(file: TextIO, path: Path, name: str) -> Iterator[Row]:
    beginning = file.readline()
    delimiter = next((mark for mark in ";\t," if mark in beginning), ";")
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter)
    try:
        columns = [column.strip() for column in next(reader, [])]
        missing = [column for column in _NEEDED[name] if column not in columns]
        if missing:
            raise ConfigurationError(
                Text(
                    "{path} has no column {missing} in its first line",
                    "{path} hat in der ersten Zeile keine Spalte {missing}",
                ),
                path=path,
                missing=", ".join(missing),
            )
        for values in reader:
            if values:
                yield Row(name, reader.line_num, dict(zip(columns, values, strict=False)))
    except csv.Error as error:
        raise ConfigurationError(
            Text(
                "{path} cannot be read at line {line}: {error}",
                "{path} lässt sich ab Zeile {line} nicht lesen: {error}",
            ),
            path=path,
            line=reader.line_num,
            error=error,
        ) from None
