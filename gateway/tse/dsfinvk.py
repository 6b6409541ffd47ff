"""The files of DSFinV-K 2.4 that tell of a TSE: tse.csv (Stamm_TSE) and transactions_tse.csv (TSE_Transaktionen).

Semicolons between fields, text in quotes, numbers bare, lines end with CRLF, the first line names the columns.
"""

import base64
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.certificates import key_of, serial_of

TSE_FILE, TRANSACTIONS_FILE = "tse.csv", "transactions_tse.csv"
CLOSING_COLUMNS = ("Z_KASSE_ID", "Z_ERSTELLUNG", "Z_NR")
CERTIFICATE_COLUMNS = tuple(f"TSE_ZERTIFIKAT_{part}" for part in ("I", "II", "III", "IV", "V", "VI", "VII"))
TRANSACTION_COLUMNS = (
    *(*CLOSING_COLUMNS, "BON_ID", "TSE_ID", "TSE_TANR", "TSE_TA_START", "TSE_TA_ENDE", "TSE_TA_VORGANGSART"),
    *("TSE_TA_SIGZ", "TSE_TA_SIG", "TSE_TA_FEHLER", "TSE_VORGANGSDATEN"),
)
MAX_PROCESS_TYPE, MAX_PROCESS_DATA = 30, 1000  # characters of TSE_TA_VORGANGSART and TSE_VORGANGSDATEN

_PART = 1000  # characters of a certificate in one column

Value = str | int | None


def tse_columns(certificate: x509.Certificate, algorithm: str, time_format: str) -> dict[str, str]:
    """Return the columns of tse.csv that the TSE decides, in their order.

    Raises:
        ProtocolError: the certificate is longer than the seven columns of the standard, or has no key of a TSE.
    """
    key = key_of(certificate)
    text = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    room = _PART * len(CERTIFICATE_COLUMNS)
    if len(text) > room:
        raise ProtocolError(
            Text(
                "the certificate has {given} characters; tse.csv has room for {room}",
                "das Zertifikat hat {given} Zeichen; in tse.csv ist Platz für {room}",
            ),
            given=len(text),
            room=room,
        )
    return {
        "TSE_SERIAL": serial_of(key).hex().upper(),
        "TSE_SIG_ALGO": algorithm,
        "TSE_ZEITFORMAT": time_format,
        "TSE_PD_ENCODING": "UTF-8",
        "TSE_PUBLIC_KEY": base64.b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode(),
        **{name: text[i * _PART : (i + 1) * _PART] for i, name in enumerate(CERTIFICATE_COLUMNS)},
    }


def line(values: Iterable[Value]) -> str:
    """Return one line of values; `None` is an empty number."""
    return ";".join(map(_field, values)) + "\r\n"  # the csv module would put an empty number into quotes


def header(columns: Iterable[str]) -> str:
    """Return the first line."""
    return ";".join(columns) + "\r\n"


def _field(value: Value) -> str:
    if isinstance(value, str):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return "" if value is None else str(value)
