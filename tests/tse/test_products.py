from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.tse.products import (
    PRODUCTS,
    certification_ends,
    certification_id,
    certified_until,
    is_simulated,
    names_firmware,
    product_of,
)


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
    assert product_of(description) is not None
    assert certified_until(description) == until


@pytest.mark.parametrize("description", ["", "BSI-K-TR-0000-2026 SIMULATOR", "BSI-K-TR-08-2026"])
def test_what_is_not_in_the_table_is_unknown_and_not_guessed(description: str) -> None:
    assert product_of(description) is None
    assert certified_until(description) is None
    assert certification_ends(description) is None


def test_the_certification_ends_with_its_last_day() -> None:
    ends = certification_ends("BSI-K-TR-0800-2026")
    assert ends is not None
    assert datetime.fromtimestamp(ends, UTC) == datetime(2034, 4, 21, tzinfo=UTC)


@pytest.mark.usefixtures("far_from_greenwich")
def test_the_certification_ends_in_greenwich_wherever_the_gateway_runs() -> None:
    assert certification_ends("BSI-K-TR-0800-2026") == datetime(2034, 4, 21, tzinfo=UTC).timestamp()


def test_a_firmware_that_a_row_names_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    row = PRODUCTS["BSI-K-TR-0800-2026"]
    monkeypatch.setitem(PRODUCTS, row.number, replace(row, firmware=frozenset({"2.0.1"})))
    assert names_firmware(f"Swissbit TSE {row.number}", "2.0.1")
    assert not names_firmware(f"Swissbit TSE {row.number}", "2.0.2")


def test_a_firmware_that_no_row_names_is_unknown() -> None:
    assert not names_firmware("BSI-K-TR-0800-2026", "2.0.0")
    assert not names_firmware("BSI-K-TR-0000-2026", "2.0.0")


@pytest.mark.parametrize(("description", "simulated"), [("SIMULATOR 1.0", True), ("Swissbit TSE", False), ("", False)])
def test_a_simulated_tse_says_so(description: str, simulated: bool) -> None:
    assert is_simulated(description) is simulated
