"""The certificates that the BSI gave to TSE products, as far as they are known here.

The certificate of a product is not that of the single TSE, which signs: both have an end of their own. Nothing is
guessed from a firmware version: one that no row names is unknown.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

SIMULATED = "SIMULATOR"  # in the description of each simulated TSE, and in its certificate
_ID = re.compile(r"BSI-K-TR-\d{4}-\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProductCertificate:
    """A row of the table; `None` is not known.

    `source` and `read` tell where it was found, and when; `firmware` has the versions that the certificate is known to
    name, of which none has been published; `test_base` is what the product was tested by.
    """

    number: str
    product: str
    issued: date | None
    valid_until: date | None
    source: str
    read: date
    test_base: str | None = None
    firmware: frozenset[str] = frozenset()


_LISTS, _NOTES = (
    "secondary: lists of integrators",
    "secondary: an integrator's notes of the certificate, September 2026",
)
_READ = date(2026, 11, 29)
_TABLE = (
    ProductCertificate("BSI-K-TR-0362-2019", "Swissbit USB TSE 1.0", date(2019, 12, 20), None, _LISTS, _READ),
    ProductCertificate("BSI-K-TR-0412-2020", "Swissbit USB TSE", None, date(2028, 11, 26), _LISTS, _READ),
    ProductCertificate(
        "BSI-K-TR-0800-2026",
        "Swissbit TSE 2.0",
        date(2026, 4, 21),
        date(2034, 4, 20),
        _NOTES,
        _READ,
        "BSI TR-03153-1 and TR-03153-1-TS, 1.1.1",
    ),
)
PRODUCTS = {row.number: row for row in _TABLE}


def certification_id(description: str) -> str | None:
    """Return the number of the BSI certification (BSI-K-TR-...) that a TSE's description names, if any."""
    found = _ID.search(description)
    return found[0] if found else None


def is_simulated(description: str) -> bool:
    """Tell whether a TSE describes itself as a simulated one, which is never certified."""
    return SIMULATED in description


def product_of(description: str) -> ProductCertificate | None:
    """Return the certificate of the product that a TSE's description names; `None` if it is not in the table."""
    return PRODUCTS.get(certification_id(description) or "")


def certified_until(description: str) -> date | None:
    """Return the last day of the certificate of the product that a TSE's description names; `None` if not known."""
    product = product_of(description)
    return None if product is None else product.valid_until


def certification_ends(description: str) -> float | None:
    """Return the end of that day in UTC, in Unix seconds; `None` if not known."""
    last = certified_until(description)
    return None if last is None else datetime.combine(last + timedelta(days=1), time(), UTC).timestamp()


def names_firmware(description: str, version: str) -> bool:
    """Return whether the certificate of the product is known to name this firmware; if not, nobody here knows."""
    product = product_of(description)
    return product is not None and version in product.firmware
