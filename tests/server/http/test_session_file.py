from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.access.lan_token import Token
from gateway.errors import ConfigurationError
from gateway.server.http import session_file
from tests.server.shop import Served, settings_for, until

ONE, TWO = "AB" * 32, "CD" * 32


@dataclass(frozen=True)
class Info:
    max_registered_clients: int = 100


@dataclass(frozen=True)
class Tse:
    serial: str
    place: str
    info: Info = Info()


def test_the_text_byte_for_byte() -> None:
    text = session_file.render("192.0.2.7", 4433, Token("123456"), [Tse(ONE, "/dev/sda")], "1.2.3")
    assert text.encode() == (
        b"Starting TSE Gateway...\r\n"
        b"V 1.2.3\r\n"
        b"Generated LAN TSE random apiToken on first startup: 123456\r\n"
        b"Please note: apiToken can be changed by editing the gateway's configuration (GATEWAY_API_TOKEN).\r\n"
        b"TSE List\r\n"
        b"MOUNT POINT:    TSE SERIAL NUMBER\r\n"
        b"/dev/sda:        " + ONE.encode() + b"\r\n"
        b"REST API        (https://192.0.2.7:4433)\r\n"
        b"apiToken:       123456\r\n"
        b"**** Important note: Currently 1 TSE detected with max. 100 POS Clients supported ****\r\n"
        b"TSE GATEWAY LANTSE SERVER SUCCESSFULLY STARTED.\r\n"
    )


def test_several_tses_have_a_line_each_and_promise_what_all_of_them_hold() -> None:
    lines = session_file.render("x", 1, Token("123456"), [Tse(ONE, "a"), Tse(TWO, "b", Info(20))]).splitlines()
    assert lines[6:8] == [f"a:        {ONE}", f"b:        {TWO}"]
    assert "Currently 2 TSE detected with max. 20 POS" in lines[10]


def test_no_tse_is_told() -> None:
    assert "Currently 0 TSE detected with max. 0 POS" in session_file.render("x", 1, Token("123456"), [])


def test_a_configured_token_is_not_called_generated() -> None:
    text = session_file.render("x", 1, Token("123456", configured=True), [])
    assert "Generated" not in text
    assert "\r\nLAN TSE apiToken set by configuration: 123456\r\n" in text


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert "(https://[2001:db8::1]:1)" in session_file.render("2001:db8::1", 1, Token("123456"), [])


def test_the_file_is_replaced_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, address="tse.shop")
    path = tmp_path / "state" / "session.txt"
    for tses in ([Tse(ONE, "a")], []):
        session_file.write(settings, tses, Token("123456"), 4433)
        assert path.read_bytes().decode() == session_file.render("tse.shop", 4433, Token("123456"), tses)
        assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["session.txt"]


def test_what_a_crash_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / ".session.txt.new").write_text("half")
    session_file.write(settings, [], Token("123456"), 4433)
    assert (tmp_path / "state" / "session.txt").read_text().startswith("Starting")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state" / "session.txt").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"session\.txt cannot be written"):
        session_file.write(settings_for(tmp_path), [], Token("123456"), 4433)


async def test_the_running_gateway_tells_serial_port_and_token(served: Served) -> None:
    path = served.settings.state_dir / "session.txt"
    await until(path.exists)
    text = path.read_bytes().decode()
    assert f":        {served.serial}\r\n" in text
    assert f"(https://127.0.0.1:{served.port})" in text
