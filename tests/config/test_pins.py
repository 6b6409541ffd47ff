"""PINs and the other settings of the upkeep."""

from datetime import time
from pathlib import Path

import pytest

from gateway.config.pins import Pins
from gateway.config.settings import effective, load
from gateway.errors import ConfigurationError, UnfitValue

A, B = "A1" * 32, "B2" * 32


def test_one_pin_for_all() -> None:
    assert Pins("12345").of(A) == Pins("12345\n").of(B) == b"12345"


def test_one_pin_for_each_by_the_beginning_of_its_serial() -> None:
    pins = Pins("a1a1:11111, B2B2:22222\n33333")
    assert (pins.of(A), pins.of(B), pins.of("C3" * 32)) == (b"11111", b"22222", b"33333")
    assert set(pins.all()) == {"11111", "22222", "33333"}


def test_without_any_there_is_none() -> None:
    assert not Pins("")
    assert not Pins(" \n,")
    assert Pins("A1:11111").of(B) is None


def test_a_pin_that_is_kept_counts_at_once_and_over_restarts_but_not_before_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "pins.txt"
    pins = Pins("33333", path)
    pins.keep(A, b"11111")
    pins.keep(B, b"22222")
    pins.keep(A, b"44444")
    assert (pins.of(A), pins.of(B), pins.of("C3" * 32)) == (b"44444", b"22222", b"33333")
    again = Pins("A1:55555", path)
    assert (again.of(A), again.of(B)) == (b"55555", b"22222")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_of_kept_pins_is_named_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "pins.txt"
    path.write_text("A1:987654")
    with pytest.raises(ConfigurationError, match=r"pins\.txt is damaged") as refused:
        Pins("", path)
    assert "987654" not in str(refused.value)


def test_without_a_file_no_pin_is_kept() -> None:
    with pytest.raises(ConfigurationError, match="keeps no PINs"):
        Pins().keep(A, b"11111")


def test_a_pin_is_never_shown() -> None:
    assert "12345" not in repr(Pins("12345"))


@pytest.mark.parametrize("text", ["1234", "123456", "A1:1234", "12345,1", "1234\u00e4", "a:b:12"])
def test_what_is_no_pin_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UnfitValue, match="5 characters") as refused:
        Pins(text)
    assert text not in str(refused.value)


def test_the_pin_comes_from_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("12345\n")
    settings = load({"GATEWAY_TIME_ADMIN_PIN_FILE": str(tmp_path / "pin")})
    assert settings.time_admin_pin is not None
    assert settings.time_admin_pin.get_secret_value() == "12345"
    assert all("12345" not in shown.value for shown in effective(settings))


def test_a_wrong_pin_stops_the_start_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="5 characters") as refused:
        load({"GATEWAY_TIME_ADMIN_PIN": "987654"})
    assert "987654" not in str(refused.value)


def test_without_anything_the_gateway_only_reads() -> None:
    settings = load({})
    assert (settings.time_admin_pin, settings.self_test_at, settings.self_test_jitter) == (None, time(3, 5), 1800)
    assert settings.ntp_servers == ("pool.ntp.org",)


def test_the_rest_of_the_upkeep_is_set_as_usual() -> None:
    settings = load(
        {
            "GATEWAY_SELF_TEST_AT": "02:30",
            "GATEWAY_SELF_TEST_CLIENT": "POS-7",
            "GATEWAY_NTP_SERVERS": "ntp.shop.lan, [2001:db8::1]:1123",
            "GATEWAY_SET_TIME": "off",
        }
    )
    assert (settings.self_test_at, settings.self_test_client, settings.set_time) == (time(2, 30), "POS-7", False)
    assert settings.ntp_servers == ("ntp.shop.lan", "[2001:db8::1]:1123")
    assert load({"GATEWAY_NTP_SERVERS": "none"}).ntp_servers == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GATEWAY_NTP_SERVERS", "host:port", "no time server"),
        ("GATEWAY_SELF_TEST_AT", "25:00", "GATEWAY_SELF_TEST_AT"),
        ("GATEWAY_SELF_TEST_JITTER", "-1", "GATEWAY_SELF_TEST_JITTER"),
        ("GATEWAY_SELF_TEST_CLIENT", "x" * 31, "GATEWAY_SELF_TEST_CLIENT"),
    ],
)
def test_nonsense_is_refused(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load({name: value})
