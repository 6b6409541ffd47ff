from datetime import date

import pytest

from gateway.tse.products import PRODUCTS, certification_id, product_of


def test_every_row_has_its_source_and_an_end_after_its_begin() -> None:
    for number, row in PRODUCTS.items():
        assert (row.number, certification_id(row.number)) == (number, number)
        assert row.source
        assert row.read >= (row.issued or row.read)
        assert row.issued is None or row.valid_until is None or row.issued < row.valid_until


@pytest.mark.parametrize(
    ("description", "until"),
    [
        ("BSI-K-TR-0412-2020", date(2028, 11, 26)),
        ("Swissbit BSI-K-TR-0800-2026 USB", date(2034, 4, 20)),
        ("BSI-K-TR-0362-2019", None),
    ],
)
def test_the_product_is_found_by_the_description_of_the_tse(description: str, until: date | None) -> None:
    product = product_of(description)
    assert product is not None
    assert product.valid_until == until


@pytest.mark.parametrize("description", ["", "BSI-K-TR-0000-2026 SIMULATOR", "BSI-K-TR-08-2026"])
def test_what_is_not_in_the_table_is_unknown_and_not_guessed(description: str) -> None:
    assert product_of(description) is None
