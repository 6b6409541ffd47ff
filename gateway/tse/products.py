"""The certificates that the BSI gave to TSE products, as far as they are known here.

The certificate of a product is not that of the single TSE, which signs: both have an end of their own. No list of
certified firmware versions has been published, so none stands here, and nothing is guessed from a version.
"""

import re
from dataclasses import dataclass
from datetime import date

SIMULATED = "SIMULATOR"  # in the description of each simulated TSE, and in its certificate
_ID = re.compile(r"BSI-K-TR-\d{4}-\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProductCertificate:
    """A row of the table: `source` and `read` tell where it was found, and when; `None` is not known."""

    number: str
    product: str
    issued: date | None
    valid_until: date | None
    source: str
    read: date


_LISTS, _NOTES = "secondary: lists of integrators", "secondary: product notes of 2026"
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
