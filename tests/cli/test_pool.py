"""`pool`: who serves, going back, and clients that a standby lacks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.simulators import ADMIN_PIN
from gateway.fleet.status.readiness import lack
from gateway.simulator.device import SimulatedTse
from tests.cli.background import Running, call, running, settings_of
from tests.cli.test_examples import example_of
from tests.server.shop import until

SHOP = {"simulators": 2, "simulator_fresh": False, "archive": False}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with a pool of two TSEs that are ready."""
    directory = tmp_path_factory.mktemp("pool")
    tses = [SimulatedTse.create(directory / f"simulator-{number}") for number in (1, 2)]
    order = tuple(tse.serial.hex()[:8] for tse in tses)
    for tse in tses:
        tse.close()
    with running(settings_of(directory, **SHOP, pool=order)) as made:
        made.do(_ready)
        yield made


async def _ready(gateway: object) -> None:
    devices = gateway.registry.devices()  # type: ignore[attr-defined]
    await until(lambda: not any(lack(device) for device in devices))


def test_a_standby_is_made_to_serve_and_the_primary_again(pool: Running) -> None:
    first, second = (tse.serial.hex().upper() for tse in pool.gateway.simulators)
    assert f"TSE {second} serves" in pool.call(f"pool use {second[:6].lower()}").out
    shown = pool.call("pool show").out
    assert "a standby serves since" in shown
    assert json.loads(pool.call("pool show --json").out)["serving"] == second
    assert "seit" in pool.call("pool show --language de").out
    assert f"TSE {first} serves" in pool.call("pool use").out
    assert "a standby serves since" not in pool.call("pool show").out


def test_clients_of_the_primary_are_registered_with_the_standby(
    pool: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (tse.serial.hex().upper() for tse in pool.gateway.simulators)
    pin = tmp_path / "admin_pin"
    pin.write_text(ADMIN_PIN.decode())
    for name in ("POS-8", "POS-9"):
        assert pool.call(f"clients register {name} {first} --admin-pin-file {pin}").status == 0
    assert json.loads(pool.call("pool show --json").out)["tses"][1]["missing_clients"] == 2
    line, _ = example_of("pool register")
    assert "registered POS-8, POS-9" in pool.call(line, TSE_STANDBY_ADMIN_PIN_FILE=str(pin)).out
    assert json.loads(pool.call("pool show --json").out)["tses"][1]["missing_clients"] == 0
    assert json.loads(pool.call(f"clients list {second} --json --admin-pin-file {pin}").out)[-2:] == ["POS-8", "POS-9"]
    assert "kennt alle Kassen" in pool.call(f"{line} --language de", typed="11111\n").out


def test_without_a_pool_the_commands_say_what_to_set(shop: Running) -> None:
    for line in ("pool show", "pool use"):
        said = shop.call(line)
        assert (said.status, "GATEWAY_POOL" in said.err) == (1, True)


def test_the_order_of_a_pool_is_checked_at_the_start(tmp_path: Path) -> None:
    environment = {"GATEWAY_STATE_DIR": str(tmp_path / "none"), "GATEWAY_POOL": "E15E"}
    assert "two serials or more" in call("config", environment).err
    environment["GATEWAY_POOL"] = "E15E, e15e2e"
    assert "twice" in call("config", environment).err


def test_the_doctor_looks_at_the_pool(pool: Running) -> None:
    rows = [row for row in json.loads(pool.call("doctor --json").out)["findings"] if row["layer"] == "pool"]
    assert [row["verdict"] for row in rows] == ["ok"]
