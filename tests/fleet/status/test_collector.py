"""What a scrape tells of TSEs, and that it asks none."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.fleet.device import Device
from gateway.fleet.maintenance.flash_health import FlashHealthMonitor
from gateway.fleet.outages.log import OutageLog
from gateway.fleet.registry import Registry
from gateway.fleet.status.collector import FleetCollector
from gateway.fleet.status.readiness import REASONS, lack
from gateway.simulator.device import SimulatedTse
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import FlashHealth, Login, SelfTest, SetTime, User
from gateway.tse.fields import Command
from gateway.tse.info import Lifecycle, TseInfo
from gateway.tse.pins import USERS, PinOwner
from tests.fleet.test_device import until
from tests.support import CLIENT, NOW, TIME_ADMIN_PIN, receipt
from tests.texts import said

OTHER = "CD" * 32
Scrape = Callable[..., float | None]


@pytest.fixture
def registry(device: Device, metrics: Metrics) -> Registry:
    made = Registry(metrics)
    made._devices[device.serial] = device
    return made


@pytest.fixture
async def ready(ready: Device) -> Device:
    """And the gateway has seen so."""
    await ready.read_info()
    return ready


@pytest.fixture
def scrape(registry: Registry, device: Device, metrics: Metrics, tmp_path: Path) -> Scrape:
    """The value of a series of the device."""
    log = OutageLog(tmp_path)
    log.seen(device.serial, NOW)
    metrics.registry.register(FleetCollector(registry, log))

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"serial": device.serial} | labels)

    return value


async def test_a_tse_that_signs_is_shown_as_it_is(ready: Device, scrape: Scrape) -> None:
    await receipt(ready.command, ready)
    await ready.read_info()
    info = ready.info
    assert scrape("tse_ready") == 1
    assert scrape("tse_state", state="initialized") == 1
    assert scrape("tse_state", state="decommissioned") == 0
    assert [scrape("tse_not_ready", reason=reason) for reason in REASONS] == [0] * len(REASONS)
    assert scrape("tse_signatures_used") == info.created_signatures > 0
    assert scrape("tse_signatures_max") == info.max_signatures
    assert scrape("tse_store_used_bytes") == info.used_blocks * 512 > 0
    assert scrape("tse_store_capacity_bytes") == info.capacity_blocks * 512
    assert scrape("tse_certificate_expiry_timestamp_seconds") == info.certificate_expires
    assert scrape("tse_registered_clients") == 1
    assert scrape("tse_credentials_changed") == 1
    assert scrape("tse_outages_total", reason="unplugged") == 0


async def test_logins_puk_pauses_and_the_end_of_the_products_certificate_are_shown(
    ready: Device, scrape: Scrape
) -> None:
    await ready.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    assert [scrape("tse_logged_in", user=user) for user in USERS] == [1, 1, 0]  # the set-up logged the Admin in
    assert [scrape("tse_puk_blocked_seconds", user=user) for user in USERS] == [0, 0, 0]
    assert scrape("tse_product_certificate_expiry_timestamp_seconds") is None  # of a simulated one nobody knows it
    ready.info = replace(ready.info, description="BSI-K-TR-0412-2020", logger_puk_blocked_seconds=8)
    ends = scrape("tse_product_certificate_expiry_timestamp_seconds")
    assert ends is not None
    assert datetime.fromtimestamp(ends, UTC).isoformat() == "2028-11-27T00:00:00+00:00"
    assert scrape("tse_puk_blocked_seconds", user=PinOwner.LOGGER) == 8


async def test_a_scrape_is_answered_while_the_tse_hangs(
    ready: Device, tse: SimulatedTse, scrape: Scrape, metrics: Metrics
) -> None:
    tse.faults.set("unplugged")  # every access would fail
    assert scrape("tse_ready") == 1  # as it was when it was last asked
    assert b"tse_store_used_bytes" in metrics.exposition()[0]
    assert not ready.failed.is_set()
    age = scrape("tse_snapshot_age_seconds")
    assert age is not None
    assert age >= 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lifecycle": Lifecycle.DECOMMISSIONED}, "decommissioned"),
        ({"lifecycle": Lifecycle.UNINITIALIZED}, "not_set_up"),
        ({"certificate_expires": 1_700_000_000}, "certificate_expired"),
        ({"created_signatures": 20_000_000}, "no_signatures_left"),
        ({"used_blocks": 15_000_000}, "store_full"),
        ({"ctss_active": False}, "signing_off"),
        ({"self_test_passed": False}, "no_self_test"),
        ({"valid_time": False}, "no_time"),
        ({"self_test_passed": False, "ctss_active": False, "used_blocks": 0}, "no_self_test"),
        ({"self_test_passed": False, "valid_time": False}, "no_self_test"),
    ],
)
async def test_what_a_tse_lacks_is_told(ready: Device, scrape: Scrape, changes: dict[str, int], reason: str) -> None:
    info: TseInfo = ready.info
    ready.info = replace(info, **changes)  # type: ignore[arg-type]
    assert lack(ready) == reason
    assert scrape("tse_ready") == 0
    assert [name for name in REASONS if scrape("tse_not_ready", reason=name)] == [reason]


@pytest.mark.parametrize(("command", "limit"), [(None, 5.0), (FlashHealth(), 5.0), (SelfTest(CLIENT), 60.0)])
async def test_a_tse_whose_answer_is_late_is_not_ready(
    tse: SimulatedTse, ready: Device, monkeypatch: pytest.MonkeyPatch, command: Command | None, limit: float
) -> None:
    now = 0.0
    monkeypatch.setattr(ready._connection, "_clock", lambda: now)
    tse.faults.set("hung")
    asked = asyncio.create_task(ready.read_info() if command is None else ready.command(command.encode()))
    await until(lambda: ready._connection._late_at == limit)
    now = limit - 0.1
    before = lack(ready)
    now = limit
    after = lack(ready)
    tse.faults.clear()
    await asked
    assert (before, after, lack(ready)) == ("", "answer_late", "")


async def test_a_tse_that_cannot_tell_its_fill_does_not_look_empty(ready: Device, scrape: Scrape) -> None:
    assert scrape("tse_store_used_bytes")
    ready.info = replace(ready.info, ctss_active=False, used_blocks=0, open_transactions=0)
    assert scrape("tse_store_used_bytes") is None
    assert scrape("tse_open_transactions") is None
    assert scrape("tse_store_capacity_bytes")


async def test_a_tse_that_was_unplugged_is_not_ready(ready: Device, scrape: Scrape) -> None:
    await ready.let_go(said("the TSE was unplugged"))
    assert scrape("tse_up") == 0
    assert scrape("tse_not_ready", reason="unplugged") == 1


async def test_a_tse_that_an_earlier_run_saw_is_missed(ready: Device, registry: Registry, tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    for serial in (ready.serial, OTHER):
        log.seen(serial, NOW)
    own = CollectorRegistry()
    own.register(FleetCollector(registry, log))
    for name in ("tse_up", "tse_ready", "tse_attached"):
        assert own.get_sample_value(name, {"serial": ready.serial}) == 1
        assert own.get_sample_value(name, {"serial": OTHER}) == 0
    assert own.get_sample_value("tse_not_ready", {"serial": OTHER, "reason": "absent"}) == 1
    assert own.get_sample_value("tse_not_ready", {"serial": ready.serial, "reason": "absent"}) == 0
    assert own.get_sample_value("tse_store_used_bytes", {"serial": OTHER}) is None  # nobody told


def test_an_outage_does_not_become_shorter_when_the_clock_is_set_back(tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    log.seen(OTHER, NOW)
    log.begin(OTHER, "device_gone", time.time() - 100)
    own = CollectorRegistry()
    own.register(FleetCollector(Registry(Metrics()), log))
    labels = {"serial": OTHER, "reason": "device_gone"}
    before = own.get_sample_value("tse_outage_seconds_total", labels)
    log.open[OTHER] = replace(log.open[OTHER], began=time.time() - 40)
    after = own.get_sample_value("tse_outage_seconds_total", labels)
    assert before is not None
    assert after is not None
    assert after >= before >= 100


async def test_the_upkeep_of_tills_is_seen_too(ready: Device, scrape: Scrape) -> None:
    began = time.time()
    await ready.command(SetTime(NOW).encode())
    await receipt(ready.command, ready)
    since = scrape("tse_time_set_timestamp_seconds")
    assert since is not None
    assert since >= began
    assert scrape("tse_self_test_timestamp_seconds")
    offset = scrape("tse_clock_offset_seconds")
    assert offset == pytest.approx(NOW - began, abs=30)  # the simulated till sets a time of its own
    await ready.read_info()
    assert scrape("tse_signatures_total", cause="sale") == 2
    used = scrape("tse_signatures_used")
    maintenance = scrape("tse_signatures_total", cause="maintenance")
    assert (used, maintenance) == (ready.info.created_signatures, ready.info.created_signatures - 2)


async def test_a_client_that_holds_the_lock_shows(ready: Device, scrape: Scrape) -> None:
    assert scrape("tse_gateway_lock_held") == 0
    lease = await ready.lock.acquire(FlashHealthMonitor(Registry(Metrics())), 1)
    assert scrape("tse_gateway_lock_held") == 1
    ready.lock.release(lease.session)
    assert scrape("tse_gateway_lock_held") == 0


async def test_flash_memory_is_asked_for_once_a_day_and_only_at_rest(
    ready: Device, registry: Registry, scrape: Scrape
) -> None:
    assert scrape("tse_flash_spare_blocks_ratio") is None
    await ready.command(SetTime(NOW).encode())
    await FlashHealthMonitor(registry).check(ready, 0)
    assert scrape("tse_flash_spare_blocks_ratio") is None  # a till was here just now
    monitor = FlashHealthMonitor(registry, quiet=0)
    await monitor.check(ready, 0)
    ratio = scrape("tse_flash_spare_blocks_ratio")
    assert ratio is not None
    assert 0 < ratio <= 1
    assert scrape("tse_flash_needs_replacement") == 0
    seen = scrape("tse_flash_checked_timestamp_seconds")
    await monitor.check(ready, 3600)
    assert scrape("tse_flash_checked_timestamp_seconds") == seen
    assert ready.idle
