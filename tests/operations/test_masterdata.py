"""Master data of forms, from values."""

import pytest

from gateway.operations.masterdata import NoCertificate, TillColumns, _chain, check_digits, tse_csv


def test_a_row_of_tse_csv_has_text_in_quotes_and_bare_numbers() -> None:
    csv = tse_csv({"TSE_SERIAL": 'A"B'}, TillColumns("1;2", "2026-11-29T12:00:00", 7, 1))
    header = "Z_KASSE_ID;Z_ERSTELLUNG;Z_NR;TSE_ID;TSE_SERIAL"
    assert csv == f'{header}\r\n"1;2";"2026-11-29T12:00:00";7;1;"A""B"\r\n'
    assert tse_csv({}, TillColumns()) == 'Z_KASSE_ID;Z_ERSTELLUNG;Z_NR;TSE_ID\r\n"";"";;\r\n'


def test_check_digits_are_the_last_two_of_the_hash() -> None:
    assert check_digits(bytes(32)) == "25"  # SHA-256 of 32 zero bytes ends so


def test_without_a_certificate_of_its_key_a_tse_has_no_chain() -> None:
    with pytest.raises(NoCertificate, match="for the key of this TSE"):
        _chain([], bytes(32))
