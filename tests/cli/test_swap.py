"""A TSE is swapped: each step once, in order, written down, and resumed where it stopped."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.gateway import Gateway
from gateway.cli.verify import verify_files
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.commands import TransactionStep
from gateway.tse.fields import Generation
from tests.cli.background import Running, make_ready, pull, running, settings_of, write_secrets
from tests.cli.test_examples import example_of
from tests.support import step

NEW_SECRETS = "--seed-file seed --puk-file new_puk --admin-pin-file new_pin --time-admin-pin-file time_admin_pin"
PINS = {"TSE_OLD_ADMIN_PIN_FILE": "admin_pin", "TSE_ADMIN_PIN_FILE": "new_pin"}


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Running]:
    """An old TSE with POS-1 and POS-2, and one that is fresh, of the generation that is asked for."""
    monkeypatch.chdir(tmp_path)
    write_secrets(tmp_path)
    generation = getattr(request, "param", Generation.ONE)
    SimulatedTse.create(tmp_path / "state" / "simulator-2", Make(generation=generation)).close()
    with running(settings_of(tmp_path / "state", simulators=2)) as made:
        made.do(make_ready)
        assert made.call(f"clients register POS-2 {made.serial} --admin-pin-file admin_pin").status == 0
        yield made


def fresh(gateway: Running) -> str:
    return gateway.gateway.simulators[1].serial.hex().upper()


@pytest.mark.parametrize("two", [Generation.TWO], indirect=True, ids=["to generation 2"])
def test_a_swap_from_the_last_export_to_the_new_tse(two: Running) -> None:
    line, _ = example_of("swap")
    directory = Path(line.split()[-1])
    stopped = two.call(f"{line} {two.serial}", typed="y\nn\n", **PINS)
    assert "again to go on" in stopped.err
    assert verify_files([str(directory / "old.tar")], complete=True) == 0
    assert set(json.loads((directory / "swap.json").read_text())["steps"]) == {"export_before"}

    not_meant = two.call(f"{line} --yes", typed="0\n", **PINS)  # not the last digits of the serial
    assert "nothing was done" in not_meant.err
    waiting = two.call(f"{line} --yes", typed=f"{two.serial[-4:]}\n", **PINS)
    assert "not set up yet" in waiting.err
    assert json.loads(two.call(f"info {two.serial} --json").out)["lifecycle"] == "decommissioned"

    typed = f"\n{fresh(two)[-4:]}\n"  # the seed of retail TSEs
    set_up = two.call(f"setup {fresh(two)} --client POS-1 {NEW_SECRETS.replace('--seed-file seed ', '')}", typed)
    assert (set_up.status, "three users" in set_up.err, "one of three tries" in set_up.err) == (0, True, False)
    done = two.call(f"{line} --yes", **PINS)
    assert done.status == 0, done.err
    assert done.out.count("[x]") == 5
    assert two.call(f"clients list {fresh(two)} --admin-pin-file new_pin").out.split() == ["POS-1", "POS-2"]
    assert two.call(f"selftest {fresh(two)}").status == 0  # which needs no client
    for name, serial in (("elster-old.json", two.serial), ("elster-new.json", fresh(two))):
        assert json.loads((directory / name).read_text())["tse_serial"] == serial
    before, after = (directory / "old.tar").stat().st_size, (directory / "old-final.tar").stat().st_size
    assert after > before
    assert verify_files([str(directory / "old-final.tar")], complete=True) == 0
    again = two.call(f"{line} --yes --json", **PINS)
    assert json.loads(again.out)["new"] == fresh(two)


def test_a_directory_belongs_to_one_swap(two: Running) -> None:
    assert two.call(f"swap {two.serial}", typed="n\n").status == 1
    assert two.serial in two.call(f"swap {fresh(two)}", typed="n\n").err


def test_open_transactions_come_first(two: Running) -> None:
    two.do(_begin_to_sell)
    said = two.call(f"swap {two.serial} --yes", **PINS)
    assert "1 transactions are open" in said.err
    assert not Path("tse-swap/old.tar").exists()


async def _begin_to_sell(gateway: Gateway) -> None:
    device = next(item for item in gateway.registry.devices() if item.info.serial == gateway.simulators[0].serial)
    await step(device.command, device, TransactionStep.START)
    await device.read_info()


def test_a_dead_tse_is_replaced_by_what_its_archive_holds(two: Running) -> None:
    assert two.call(f"archive run {two.serial}").status == 0
    two.do(pull)
    assert two.call(f"setup {fresh(two)} --client POS-1 {NEW_SECRETS}", f"{fresh(two)[-4:]}\n").status == 0
    done = two.call(f"swap {two.serial} --dead --yes", **PINS)
    assert done.status == 0, done.err
    assert verify_files(["tse-swap/old.tar"], complete=True) == 0
    assert json.loads(Path("tse-swap/elster-old.json").read_text())["tse_serial"] == two.serial
    steps = json.loads(Path("tse-swap/swap.json").read_text())["steps"]
    assert "decommission" not in steps
    assert "retire" in steps
    assert [tse["serial"] for tse in json.loads(two.call("devices --json").out)] == [fresh(two)]
