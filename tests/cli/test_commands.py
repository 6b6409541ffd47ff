"""Commands against a gateway that runs, and without one."""

import json
import logging
from pathlib import Path

import pytest

from gateway.app.gateway import Gateway
from gateway.cli.formatting import lines
from gateway.cli.verify import verify_files
from gateway.clock.trusted import kernel_state
from gateway.i18n.locales import Locale
from gateway.server.http import tls
from tests.cli.background import Running, call, make_ready, pull, running, settings_of, write_secrets
from tests.server.shop import until

_ENGLISH = Locale("en")


def test_info_for_people_and_for_programs(shop: Running) -> None:
    found = json.loads(shop.call("info --json").out)
    assert (found["serial"], found["lifecycle"], found["registered_clients"]) == (shop.serial, "initialized", 1)
    assert shop.serial in shop.call("info").out
    assert json.loads(shop.call("info --elster --json").out)["tse_serial"] == shop.serial
    sheet = shop.call("info --elster --language de").out.splitlines()  # in the words and the order of the form
    names = ("Seriennummer der TSE", "Inbetriebnahme der TSE", "Zertifizierungs-ID (BSI)", "Prüfziffern")
    assert [line.startswith(name) for line, name in zip(sheet, names, strict=True)] == [True] * 4
    assert shop.call("info --certificates").out.startswith("-----BEGIN CERTIFICATE-----")


def test_info_tells_both_ends_and_says_that_a_firmware_is_unknown(shop: Running) -> None:
    found = json.loads(shop.call("info --json").out)
    assert dict(lines(found, _ENGLISH))["product certified until"] == "unknown"
    known = found | {"product_certified_until": "2034-04-20", "logged_in_user": "time_admin"}
    told = [text for _, text in lines(known, Locale("de"))]
    certificate = next(number for number, text in enumerate(told) if text.startswith("bis "))
    assert told[certificate + 1] == "20.04.2034 (ob mit dieser Firmware, ist unbekannt)"
    assert dict(lines(known | {"firmware_known": True}, _ENGLISH))["product certified until"] == "2034-04-20"
    assert dict(lines(known, _ENGLISH))["logged in"] == "time_admin"


def test_a_tse_is_named_by_a_beginning_of_its_serial(shop: Running) -> None:
    assert shop.serial in shop.call(f"info {shop.serial[:6].lower()}").out
    wrong = shop.call("info " + ("0" if shop.serial[0] != "0" else "1"))
    assert wrong.status == 1
    assert shop.serial in wrong.err


def test_several_tses_must_be_told_apart(tmp_path: Path) -> None:
    with running(settings_of(tmp_path, simulators=2)) as gateway:
        said = gateway.call("info")
        assert said.status == 1
        assert all(tse.serial.hex().upper() in said.err for tse in gateway.gateway.simulators)
        assert len(json.loads(gateway.call("devices --json").out)) == 2


def test_clients_come_and_go(shop: Running) -> None:
    assert shop.call("clients register POS-2 --admin-pin-file admin_pin").status == 0
    assert shop.call("clients list --admin-pin-file admin_pin").out.split() == ["POS-1", "POS-2"]
    assert shop.call("clients deregister POS-2", TSE_ADMIN_PIN_FILE="admin_pin").status == 0
    assert json.loads(shop.call("clients list --json", typed="12345\n").out) == ["POS-1"]


def test_a_wrong_pin_costs_one_try_and_says_how_many_are_left(shop: Running) -> None:
    said = shop.call("clients list", typed="11111\n")
    assert said.status == 1
    assert "2 tries left" in said.err
    assert "11111" not in said.out + said.err


def test_who_cannot_be_asked_is_told_of_files(shop: Running) -> None:
    said = shop.call("clients list")
    assert (said.status, "--help" in said.err) == (1, True)


def test_a_pin_of_the_wrong_length_costs_no_try(shop: Running) -> None:
    assert "5 characters" in shop.call("clients list", typed="1234\n").err
    assert shop.call("clients list", typed="12345\n").status == 0


def test_pins_change_and_are_unblocked(shop: Running) -> None:
    assert shop.call("pin change --old-pin-file admin_pin", typed="54321\n").status == 0
    assert shop.call("clients list --admin-pin-file new_pin").status == 0
    assert shop.call("pin unblock --puk-file puk --new-pin-file admin_pin").status == 0
    assert shop.call("clients list --admin-pin-file admin_pin").status == 0
    assert shop.call("pin puk --old-puk-file puk --new-puk-file new_puk").status == 0
    assert shop.call("pin unblock --puk-file puk --new-pin-file new_pin").status == 1


def test_the_time_is_not_set_by_a_clock_that_nobody_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_secrets(tmp_path)
    with running(settings_of(tmp_path / "state"), knows_time=False) as shop:
        shop.do(make_ready)
        said = shop.call("time --time-admin-pin-file time_admin_pin")
        assert said.status == (0 if kernel_state().synchronised else 1), said.err
        assert kernel_state().synchronised or "--anyway" in said.err
        assert shop.call("time --time-admin-pin-file time_admin_pin --anyway").status == 0


def test_the_time_is_set_by_a_clock_that_is_known_to_be_right(shop: Running) -> None:
    assert shop.call("time --time-admin-pin-file time_admin_pin").status == 0


def test_export_is_whole_verified_and_never_overwrites(shop: Running) -> None:
    said = shop.call("export --verify -o all.tar")
    assert said.status == 0, said.out + said.err
    assert verify_files(["all.tar"], complete=True) == 0
    assert shop.call("export -o all.tar").status == 1
    assert sorted(path.name for path in Path().glob("*all.tar*")) == ["all.tar", "all.tar.cursor"]
    assert shop.call("export --new-since all.tar -o new.tar").status == 1  # nothing is new
    shop.call("clients list --admin-pin-file admin_pin")
    assert shop.call("export --new-since all.tar -o new.tar").status == 0
    assert verify_files(["new.tar"]) == 0


def test_an_export_that_broke_off_is_resumed(shop: Running) -> None:
    assert shop.call("export -o all.tar").status == 0
    whole = Path("all.tar").read_bytes()
    etag = Path("all.tar.cursor").read_text().strip()
    Path(".half.tar.part").write_bytes(b"X" * 5000)
    Path(".half.tar.part.json").write_text(json.dumps({"etag": f'"{etag}"'}))
    assert shop.call("export -o half.tar").status == 0
    assert Path("half.tar").read_bytes() == b"X" * 5000 + whole[5000:]  # only the rest was asked for
    Path(".full.tar.part").write_bytes(whole)
    Path(".full.tar.part.json").write_text(json.dumps({"etag": f'"{etag}"'}))
    assert shop.call("export -o full.tar").status == 0
    assert Path("full.tar").read_bytes() == whole
    assert not [*Path().glob("*.part*"), *Path().glob(".*.part*")]


def test_export_by_number_time_and_client(shop: Running) -> None:
    assert shop.call("export --from-number 1 --to-number 1 --client POS-1 -o one.tar").status == 0
    assert shop.call("export --client POS-9 --from-number 1 -o none.tar").status == 1
    assert shop.call("export --from 2020-01-01 --to 2020-01-31 -o old.tar").status == 1
    assert shop.call("export --from yesterday -o old.tar").status == 2
    assert shop.call("export --from 2037-01-31T08:00 -o old.tar").status == 1
    assert shop.call("export --new-since never.tar -o old.tar").status == 1
    assert shop.call("export --new-since never.tar --client POS-1 -o old.tar").status == 2
    assert shop.call("export --from-number 1 -o new-directory/one.tar").status == 0
    assert shop.call("export -o one.tar/all.tar").status == 1  # that is a file
    assert not Path("none.tar").exists()


def test_the_qr_code_on_the_terminal_and_in_a_file(shop: Running) -> None:
    signed = shop.do(_signed)
    said = shop.call(f"qr {signed}")
    assert "█" in said.out
    text = said.out.strip().splitlines()[-1]
    assert text.startswith("V0;POS-1;")
    assert verify_files([text]) in {0, 2}  # 2: its certificate is not beside it
    for name in ("code.svg", "code.png"):
        assert shop.call(f"qr {signed} -o {name}").status == 0
        assert Path(name).stat().st_size > 300
    assert shop.call(f"qr {signed} -o code.bmp").status == 2
    assert shop.call("qr rubbish").status == 2
    assert shop.call("qr 4711").status == 1
    assert shop.call("qr V0;rest -o no-such-directory/code.svg").status == 1


def test_receipts_are_listed_the_newest_first_and_chosen_by_till_and_state(shop: Running) -> None:
    signed = [shop.do(_signed) for _ in range(3)]
    said = json.loads(shop.call("receipts --json").out)
    assert [receipt["transaction_number"] for receipt in said][:3] == signed[::-1]
    assert len(json.loads(shop.call("receipts --most 2 --json").out)) == 2
    assert "POS-1" in shop.call("receipts --client POS-1").out
    assert shop.call("receipts --client POS-9 --language de").out == "kein Beleg wurde gefunden\n"
    assert shop.call("receipts --state open").out == "no receipt was found\n"
    assert shop.call("receipts --from yesterday").status == 1


def test_the_log_of_the_last_hour_is_shown_by_level(shop: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")
    assert shop.call("selftest --client POS-1").status == 0
    assert "passed its self test" in shop.call("logs").out
    assert "passed its self test" not in shop.call("logs --level warning").out
    told = [line for line in json.loads(shop.call("logs --json").out)["lines"] if line["event"] == "self_test_passed"]
    assert [(line["level"], line["tse_serial"]) for line in told] == [("INFO", shop.serial)]


async def _signed(gateway: object) -> int:
    from gateway.app.gateway import Gateway
    from tests.support import receipt

    assert isinstance(gateway, Gateway)
    device = gateway.registry.devices()[0]
    return (await receipt(device.command, device)).transaction_number


def test_without_a_gateway_the_tse_is_asked_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_secrets(tmp_path)
    environment = {"GATEWAY_STATE_DIR": str(tmp_path), "GATEWAY_SIMULATORS": "1", "GATEWAY_PORT": "1"} | {
        "GATEWAY_SIMULATOR_FRESH": "true"
    }
    said = call("info --json", environment)
    assert (said.status, json.loads(said.out)["lifecycle"]) == (0, "uninitialized")
    assert "asked directly" in said.err
    typed = f"{json.loads(said.out)['serial'][-4:]}\n"
    secrets = "--seed-file seed --puk-file puk --admin-pin-file admin_pin --time-admin-pin-file time_admin_pin"
    assert "nothing was done" in call(f"setup --client POS-1 --anyway {secrets}", environment, typed="no\n").err
    done = call(f"setup --client POS-1 --anyway {secrets}", environment, typed)
    assert done.status == 0, done.err
    assert "apiToken" in done.out
    again = call(f"setup --client POS-1 --anyway {secrets}", environment, typed)
    assert "only a fresh one" in again.err
    assert call("selftest --client POS-1", environment).status == 0
    assert "123456" not in done.out + done.err


def test_setup_asks_for_everything_that_no_file_holds(tmp_path: Path) -> None:
    with running(settings_of(tmp_path)) as gateway:
        lines = ["", "123456", "12345", "98765", "POS-1", gateway.serial[-4:]]
        said = gateway.call("setup", typed="".join(f"{line}\n" for line in lines))
        assert said.status == 0, said.err
        for value in ("127.0.0.1", str(gateway.gateway.port), gateway.gateway.token.value):
            assert value in said.out
        assert json.loads(gateway.call("info --json").out)["lifecycle"] == "initialized"


def test_german_by_locale_and_by_option(shop: Running) -> None:
    assert "Seriennummer" in shop.call("devices", LANG="de_DE.UTF-8", LC_ALL="", LC_MESSAGES="").out
    assert "Seriennummer" in shop.call("devices --language de").out
    assert "serial" in shop.call("devices --language en", LANG="de_DE.UTF-8").out


def test_a_gateway_elsewhere_by_url_token_and_ca(shop: Running) -> None:
    settings = shop.gateway.settings
    elsewhere = {"GATEWAY_STATE_DIR": "elsewhere", "GATEWAY_PORT": "1"}
    ca = settings.state_dir / "tls" / "ca.pem"
    target = f"--url https://127.0.0.1:{shop.gateway.port} --token-file {settings.state_dir / 'api_token'}"
    assert shop.serial in call(f"info {target} --ca {ca}", elsewhere).out
    assert shop.serial in call(f"info {target} --fingerprint {tls.fingerprint(settings)}", elsewhere).out
    assert call(f"info {target} --fingerprint {'ab' * 32}", elsewhere).status == 1
    assert "--token-file" in call("info --url https://127.0.0.1:1", elsewhere).err
    unchecked = call(f"info {target}", elsewhere)
    assert unchecked.status == 1  # the token is given to nobody whose certificate nobody vouches for
    Path("wrong").write_text("000000\n")
    wrong = call(f"info --url https://127.0.0.1:{shop.gateway.port} --token-file wrong --ca {ca}", elsewhere)
    assert "refuses the API token" in wrong.err


def test_without_its_socket_the_gateway_is_asked_by_its_port_and_token(tmp_path: Path) -> None:
    with running(settings_of(tmp_path, local_socket=False)) as gateway:
        assert not (tmp_path / "gateway.sock").exists()
        assert gateway.serial in gateway.call("info").out
        stranger = gateway.call("info", GATEWAY_API_TOKEN="another-token")
        assert "refuses the API token" in stranger.err
        nowhere = gateway.call("info", GATEWAY_STATE_DIR=str(tmp_path / "nowhere"))
        assert "is it a gateway of these settings" in nowhere.err


def test_a_tse_that_is_gone_for_good_is_no_longer_missed(shop: Running) -> None:
    refused = shop.call(f"retire {shop.serial[:6]}")
    assert refused.status == 1
    assert "works" in refused.err

    async def lost(gateway: Gateway) -> None:
        await pull(gateway)
        active = "tse_outage_active", {"serial": shop.serial}
        await until(lambda: gateway.metrics.registry.get_sample_value(*active) == 1)

    shop.do(lost)
    said = shop.call(f"retire {shop.serial[:6]}")
    assert (said.status, shop.serial in said.out) == (0, True), said.err
    assert json.loads(shop.call("devices --json").out) == []
    (outage,) = json.loads(shop.call("outages --json").out)["outages"]
    assert outage["ended"]
    assert shop.call(f"retire {shop.serial}").status == 1


def test_tokens_are_made_shown_replaced_and_revoked(shop: Running) -> None:
    said = shop.call("token add kasse-1 --client POS-1 --tse ab")
    made = said.out.strip()
    assert (said.status, len(made), made.isdecimal()) == (0, 10, True)
    assert shop.call("token add kasse-1").status == 1
    listed = shop.call("token list")
    assert all(word in listed.out for word in ("kasse-1", "POS-1", "AB", "lan"))
    assert made not in listed.out
    short = shop.call("token rotate kasse-1 --digits 6")
    assert len(short.out.strip()) == 6
    assert "5.8 days" in short.err
    assert len(json.loads(shop.call("token show kasse-1 --json").out)["old"]) == 1
    assert shop.call("token revoke kasse-1 --old").status == 0
    assert json.loads(shop.call("token show kasse-1 --json").out)["old"] == []
    assert "local" in shop.call("token add local").err
    assert shop.call("token rotate kasse-1 --digits 5").status == 1
    assert shop.call("token revoke kasse-1").status == 0
    assert shop.call("token show kasse-1").status == 1


def test_the_lan_token_is_replaced_and_session_txt_follows(shop: Running) -> None:
    before = shop.gateway.tokens.lan.value
    rotated = shop.call("token rotate lan")
    assert "session.txt shows it" in rotated.err
    made = rotated.out.strip()
    assert made != before
    path = shop.gateway.settings.state_dir / "session.txt"
    shop.do(lambda _: until(lambda: made in path.read_text()))


def test_tokens_are_made_while_no_gateway_runs(tmp_path: Path) -> None:
    environment = {"GATEWAY_STATE_DIR": str(tmp_path), "GATEWAY_SIMULATORS": "1"}
    made = call("token add wawi --role operator", environment)
    assert (made.status, len(made.out.strip())) == (0, 40)
    assert [token["name"] for token in json.loads(call("token list --json", environment).out)] == ["lan", "wawi"]
