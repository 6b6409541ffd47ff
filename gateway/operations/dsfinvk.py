"""tse.csv, the file of DSFinV-K that tells of the TSE: its columns, in their order, and a row.

The till knows what the first four columns hold: its own id, when and for which closing the export is made,
and under which number its other files name this TSE.
"""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.fleet.device import Device
from gateway.operations.masterdata import Chain, NoCertificate
from gateway.operations.receipt import ALGORITHM, TIME_FORMAT

_PART = 1000  # characters of a certificate in one column
_PARTS = ("I", "II", "III", "IV", "V", "VI", "VII")


@dataclass(frozen=True, slots=True)
class OfTill:
    """What the till adds; empty where it is left out."""

    cash_register: str = ""
    made: str = ""
    closing: int | None = None
    number: int | None = None


def tse_columns(device: Device, chain: Chain) -> dict[str, str]:
    """The columns that the TSE decides.

    Raises:
        NoCertificate: it is longer than the standard has room for.
    """
    text = base64.b64encode(chain.leaf.public_bytes(Encoding.DER)).decode()
    if len(text) > _PART * len(_PARTS):
        raise NoCertificate(f"the certificate has {len(text)} characters; tse.csv has room for {_PART * len(_PARTS)}")
    parts = {f"TSE_ZERTIFIKAT_{name}": text[i * _PART : (i + 1) * _PART] for i, name in enumerate(_PARTS)}
    return {
        "TSE_SERIAL": device.serial,
        "TSE_SIG_ALGO": ALGORITHM,
        "TSE_ZEITFORMAT": TIME_FORMAT,
        "TSE_PD_ENCODING": "UTF-8",
        "TSE_PUBLIC_KEY": base64.b64encode(device.info.public_key).decode(),
        **parts,
    }


def tse_csv(columns: dict[str, str], till: OfTill) -> str:
    """Header and row: semicolons, text in quotes, numbers bare, CRLF."""
    row: dict[str, str | int | None] = {
        "Z_KASSE_ID": till.cash_register,
        "Z_ERSTELLUNG": till.made,
        "Z_NR": till.closing,
        "TSE_ID": till.number,
        **columns,
    }
    return f"{';'.join(row)}\r\n{';'.join(map(_field, row.values()))}\r\n"


def _field(value: str | int | None) -> str:
    if isinstance(value, str):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return "" if value is None else str(value)  # the csv module would put an empty number into quotes
