"""Master data of a TSE for forms: certificates, certification, check digits, and tse.csv of DSFinV-K."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import GatewayError, ProtocolError
from gateway.fleet.device import Device
from gateway.i18n.text import Text
from gateway.operations.receipt import ALGORITHM, TIME_FORMAT
from gateway.operations.store import open_store
from gateway.tse import dsfinvk
from gateway.tse.certificates import by_serial, load

_CERTIFICATE_ENTRY = 1  # of the store, behind info.csv


class NoCertificate(GatewayError):
    """The store holds no certificate for the key of this TSE."""

    code = "no_certificate"


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates in a TSE: its own, the leaf, and as many issuers as it holds."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        """All certificates as PEM, the leaf first."""
        return b"".join(item.public_bytes(Encoding.PEM) for item in (self.leaf, *self.issuers))


async def chain_of(device: Device) -> Chain:
    """Read the chain from the store, where firmware of any generation keeps it.

    Raises:
        StoreClosed: the self test has not passed yet.
        NoCertificate: none fits.
    """
    store = await open_store(device)
    position = 0
    async for entry in store.entries():
        if position == _CERTIFICATE_ENTRY:
            return _chain(load(await store.content(entry)), device.info.serial)
        position += 1
    raise NoCertificate(Text("the store holds no certificate", "im Speicher liegt kein Zertifikat"))


def check_digits(serial: bytes) -> str:
    """Return two hex digits to compare after typing a serial (BSI TR-03153-1, appendix B)."""
    return hashlib.sha256(serial).hexdigest()[-2:]


def validity(chain: Chain) -> tuple[datetime, datetime, str]:
    """Return the first and last moment of the TSE's certificate, and its number in hex."""
    leaf = chain.leaf
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc, f"{leaf.serial_number:X}"


@dataclass(frozen=True, slots=True)
class TillColumns:
    """The columns of tse.csv that the till knows; empty where it leaves them out.

    Its id, when and for which closing the export is made, and the number of the TSE in its other files.
    """

    cash_register: str = ""
    made: str = ""
    closing: int | None = None
    number: int | None = None


def tse_columns(chain: Chain) -> dict[str, str]:
    """Return the columns of tse.csv that the TSE decides (DSFinV-K, file tse.csv), in their order.

    Raises:
        NoCertificate: the certificate is longer than the seven columns of the standard.
    """
    try:
        return dsfinvk.tse_columns(chain.leaf, ALGORITHM, TIME_FORMAT)
    except ProtocolError as error:
        raise NoCertificate(error.text) from None


def tse_csv(columns: dict[str, str], till: TillColumns) -> str:
    """Return tse.csv, header and row: semicolons, text in quotes, numbers bare, CRLF."""
    row: dict[str, dsfinvk.Value] = {
        "Z_KASSE_ID": till.cash_register,
        "Z_ERSTELLUNG": till.made,
        "Z_NR": till.closing,
        "TSE_ID": till.number,
        **columns,
    }
    return dsfinvk.header(row) + dsfinvk.line(row.values())


def _chain(found: list[x509.Certificate], serial: bytes) -> Chain:
    leaf = by_serial(found).get(serial)
    if leaf is None:
        raise NoCertificate(
            Text(
                "the store holds no certificate for the key of this TSE",
                "im Speicher liegt kein Zertifikat zum Schlüssel dieser TSE",
            )
        )
    return Chain(leaf, tuple(item for item in found if item is not leaf))
