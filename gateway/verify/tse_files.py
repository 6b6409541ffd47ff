"""Writes tse.csv and transactions_tse.csv (DSFinV-K 2.4) of what exports hold, with the columns that the TSE knows.

Closings and receipts are the till's, and programs skip rows without their keys. So Z_KASSE_ID is the client id,
Z_NR is 1 for all, and BON_ID is made of TSE_ID and transaction number.
"""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of
from gateway.tse import dsfinvk
from gateway.tse.dsfinvk import TRANSACTIONS_FILE, TSE_FILE
from gateway.verify.findings import Findings
from gateway.verify.report import iso_time
from gateway.verify.signed_transactions import SignedTransactions, Transaction

_CLOSING = 1  # Z_NR


def write_tse_files(exports: Sequence[Path], directory: Path, made: datetime) -> tuple[Path, Path]:
    """Write both files into `directory` and return them; `made` becomes Z_ERSTELLUNG.

    They hold the transactions that are finished; signatures are not checked.

    Raises:
        ConfigurationError: a file is there already, or cannot be written.
        OSError: an export cannot be read.
        ProtocolError: a certificate does not fit the columns.
    """
    with SignedTransactions() as signed:
        for path in exports:
            signed.read(path, Findings())
        closing = made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        numbers = {serial: number for number, serial in enumerate(sorted(signed.tses), start=1)}
        return (
            _write(directory / TSE_FILE, _tse_lines(signed, numbers, closing)),
            _write(directory / TRANSACTIONS_FILE, _transaction_lines(signed, numbers, closing)),
        )


def _tse_lines(signed: SignedTransactions, numbers: dict[bytes, int], closing: str) -> Iterator[str]:
    head: tuple[str, ...] = ()
    for serial, client in signed.clients():
        certificate = signed.certificates.get(serial)
        if certificate is None:
            raise ConfigurationError(
                Text(
                    "the export holds no certificate of TSE {serial}: export it again",
                    "im Export steht kein Zertifikat der TSE {serial}: noch einmal exportieren",
                ),
                serial=serial.hex().upper(),
            )
        by = signed.tses[serial]
        columns = dsfinvk.tse_columns(certificate, by.algorithm, by.time_format)
        if not head:
            head = (*dsfinvk.CLOSING_COLUMNS, "TSE_ID", *columns)
            yield dsfinvk.header(head)
        yield dsfinvk.line((client, closing, _CLOSING, numbers[serial], *columns.values()))


def _transaction_lines(signed: SignedTransactions, numbers: dict[bytes, int], closing: str) -> Iterator[str]:
    yield dsfinvk.header(dsfinvk.TRANSACTION_COLUMNS)
    for one in signed.finished():
        tse = numbers[one.serial]
        receipt = f"{tse}-{one.number}"
        yield dsfinvk.line((one.client, closing, _CLOSING, receipt, tse, *_signed_columns(one)))


def _signed_columns(one: Transaction) -> tuple[dsfinvk.Value, ...]:
    times = ("" if time is None else iso_time(time).replace("Z", ".000Z") for time in (one.started, one.finished))
    process_type, process_data = one.process_type or "", one.process_data or ""
    signature = base64.b64encode(one.signature or b"").decode()
    return (
        *(one.number, *times, process_type[: dsfinvk.MAX_PROCESS_TYPE], one.counter),
        *(signature, "", process_data[: dsfinvk.MAX_PROCESS_DATA]),
    )


def _write(path: Path, lines: Iterator[str]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except FileExistsError:
        raise ConfigurationError(
            Text(
                "{path} exists already: name another directory", "{path} gibt es schon: ein anderes Verzeichnis nennen"
            ),
            path=path,
        ) from None
    except OSError as error:
        raise ConfigurationError(
            Text("{path} cannot be written: {reason}", "{path} lässt sich nicht schreiben: {reason}"),
            path=path,
            reason=reason_of(error),
        ) from None
    return path
