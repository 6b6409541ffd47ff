import asyncio
import contextlib
import re
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.errors import CommandRejected, DeviceTimeout
from gateway.telemetry.metrics import Metrics
from gateway.tse.pins import PinOwner
from tests.texts import said

SERIAL = "AB" * 32


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def used() -> Metrics:
    """Metrics on which every verb was used once."""
    metrics = Metrics(clients=True)
    with metrics.tses.command(SERIAL, "login"), metrics.locks.waiting(SERIAL), metrics.tses.waiting(SERIAL):
        metrics.tses.found_free(SERIAL)
    metrics.locks.granted(SERIAL, 0.1)
    metrics.locks.released(SERIAL, 0.2)
    metrics.locks.refused(SERIAL)
    metrics.locks.expired(SERIAL, "silent")
    metrics.requests.replayed(SERIAL, "resent")
    metrics.notifications.counted("mail", "sent")
    metrics.signatures.sold(SERIAL)
    metrics.signatures.counted(SERIAL, 70)
    metrics.signatures.dated(SERIAL, 1_790_000_000)
    metrics.clients.signed(SERIAL, b"POS-1", finished=True)
    metrics.tses.lost(SERIAL, "device_gone")
    metrics.tses.opened(SERIAL, "device_gone")
    metrics.requests.answered("/healthz", 200, 0.001)
    metrics.requests.unauthorized("wrong")
    metrics.tokens.used("lan", old=False)
    metrics.requests.refused(SERIAL, CommandRejected(0x1002, said("no time")))
    metrics.maintenance.ran(SERIAL, "set_time", "ok")
    metrics.maintenance.archived(SERIAL, "ok")
    metrics.maintenance.upload_failed(SERIAL, "cloud", "target_gone")
    metrics.maintenance.done(SERIAL, "set_time")
    metrics.maintenance.pin_tries(SERIAL, PinOwner.ADMIN, 2)
    metrics.signatures.settled(SERIAL, "signed")
    metrics.host.clock(fit=True, source="kernel", offset=0.25)
    return metrics


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (CommandRejected(0x1002, said("no time")), "NO_TIME_SET"),
        (CommandRejected(0x1102, said("wrong PIN")), "AUTHENTICATION_FAILED"),
        (CommandRejected(0x7777, said("?")), "0X7777"),
        (DeviceTimeout(said("late")), "device_timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (RuntimeError("bug"), "internal_error"),
    ],
)
def test_a_command_is_timed_and_counted_by_its_result(error: BaseException | None, result: str) -> None:
    metrics = Metrics()
    with contextlib.suppress(BaseException), metrics.tses.command(SERIAL, "login"):
        if error is not None:
            raise error
    assert value(metrics, "tse_commands_total", serial=SERIAL, command="login", result=result) == 1
    assert value(metrics, "tse_command_duration_seconds_count", serial=SERIAL, command="login") == 1


def test_the_error_of_a_command_goes_on_to_the_caller() -> None:
    with pytest.raises(DeviceTimeout), Metrics().tses.command(SERIAL, "login"):
        raise DeviceTimeout(said("late"))


def test_whoever_waits_is_counted_while_waiting_only() -> None:
    metrics = Metrics()
    with metrics.locks.waiting(SERIAL), metrics.tses.waiting(SERIAL):
        assert value(metrics, "tse_queue_depth", serial=SERIAL) == 1
        assert value(metrics, "tse_gateway_lock_waiting", serial=SERIAL) == 1
    assert value(metrics, "tse_queue_depth", serial=SERIAL) == 0
    assert value(metrics, "tse_gateway_lock_waiting", serial=SERIAL) == 0
    assert value(metrics, "tse_queue_wait_seconds_count", serial=SERIAL) == 1


def test_a_lock_is_held_since_it_was_granted_until_it_is_released() -> None:
    metrics = Metrics()
    name = "tse_gateway_lock_held_since_timestamp_seconds"
    metrics.locks.granted(SERIAL, 0.5)
    since = value(metrics, name, serial=SERIAL)
    assert since is not None
    assert since > 1.7e9
    metrics.locks.released(SERIAL, 2.0)
    assert value(metrics, name, serial=SERIAL) == 0
    assert value(metrics, "tse_gateway_lock_wait_seconds_sum", serial=SERIAL) == 0.5
    assert value(metrics, "tse_gateway_lock_held_seconds_sum", serial=SERIAL) == 2.0


def test_every_verb_counts() -> None:
    text = used().exposition()[0].decode()
    for line in (
        f'tse_signatures_total{{cause="sale",serial="{SERIAL}"}} 1.0',
        f'tse_lost_total{{reason="device_gone",serial="{SERIAL}"}} 1.0',
        f'tse_opened_total{{reason="device_gone",serial="{SERIAL}"}} 1.0',
        f'tse_client_receipts_total{{client="POS-1",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_lock_refused_total{{serial="{SERIAL}"}} 1.0',
        f'tse_gateway_lock_expired_total{{reason="silent",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_replayed_total{{kind="resent",serial="{SERIAL}"}} 1.0',
        'tse_gateway_http_requests_total{route="/healthz",status="200"} 1.0',
        'tse_gateway_auth_failures_total{reason="wrong"} 1.0',
        f'tse_gateway_refused_requests_total{{error="NO_TIME_SET",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_build_info{{version="{__version__}"}} 1.0',
    ):
        assert f"{line}\n" in text


def test_names_follow_the_conventions_of_prometheus() -> None:
    body, content_type = used().exposition()
    assert content_type.startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(body.decode()))
    assert len(families) == 37
    for family in families:
        assert re.fullmatch(r"tse_[a-z_]+", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|bytes_total_total|created|gauge|counter)$", family.name)
        endings = {sample.name.removeprefix(family.name) for sample in family.samples}
        if family.type == "counter":
            assert endings == {"_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_each_gateway_has_series_of_its_own() -> None:
    first, second = Metrics(), Metrics()
    first.requests.unauthorized("wrong")
    name, labels = "tse_gateway_auth_failures_total", {"reason": "wrong"}
    assert (value(first, name, **labels), value(second, name, **labels)) == (1, 0)


def test_what_the_event_loop_owns_is_read_before_a_scrape_leaves_it() -> None:
    class Own(Collector):
        now = 1.0

        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("tse_own", "of the loop", self.now)

    metrics, own = Metrics(), Own()
    metrics.registry.register(own)
    scrape = metrics.collected()
    own.now = 2.0
    metrics.requests.unauthorized("wrong")
    text = scrape.encoded("")[0].decode()
    assert "\ntse_own 1.0\n" in text
    assert '\ntse_gateway_auth_failures_total{reason="wrong"} 1.0\n' in text  # a thread may read what is counted


def test_tries_of_a_pin_are_there_only_while_some_are_missing() -> None:
    metrics = Metrics()
    metrics.maintenance.pin_tries(SERIAL, PinOwner.TIME_ADMIN, 1)
    assert value(metrics, "tse_pin_tries_left", serial=SERIAL, user="time_admin") == 1
    for _ in range(2):
        metrics.maintenance.pin_tries(SERIAL, PinOwner.TIME_ADMIN, None)
    assert value(metrics, "tse_pin_tries_left", serial=SERIAL, user="time_admin") is None


def test_the_clock_has_one_source_at_a_time() -> None:
    metrics = Metrics()
    metrics.host.clock(fit=False, source="none", offset=None)
    metrics.host.clock(fit=True, source="sntp", offset=-2.5)
    assert value(metrics, "tse_gateway_clock_fit", source="none") is None
    assert value(metrics, "tse_gateway_clock_fit", source="sntp") == 1
    assert value(metrics, "tse_gateway_clock_offset_seconds") == -2.5


def test_a_pin_is_blocked_when_no_try_is_left() -> None:
    metrics = Metrics()
    metrics.adopt(SERIAL)
    blocked = []
    for left in (1, 0, None):
        metrics.maintenance.pin_tries(SERIAL, PinOwner.ADMIN, left)
        blocked.append(value(metrics, "tse_pin_blocked", serial=SERIAL, user="admin"))
    assert blocked == [0, 1, 0]
    assert value(metrics, "tse_pin_blocked", serial=SERIAL, user="puk") == 0


def test_what_did_not_happen_yet_is_zero_from_the_start() -> None:
    metrics = Metrics()
    metrics.adopt(SERIAL)
    assert value(metrics, "tse_lost_total", serial=SERIAL, reason="unplugged") == 0
    assert value(metrics, "tse_signatures_total", serial=SERIAL, cause="sale") == 0
    assert value(metrics, "tse_gateway_lock_refused_total", serial=SERIAL) == 0
    assert value(metrics, "tse_gateway_replayed_total", serial=SERIAL, kind="idempotency_key") == 0
    assert value(metrics, "tse_gateway_auth_failures_total", reason="throttled") == 0


def test_what_the_tse_signed_besides_sales_is_maintenance() -> None:
    metrics = Metrics()
    shown = []
    metrics.signatures.counted(SERIAL, 1000)  # made before the gateway started: nobody knows for what
    for sales, total in ((2, 1002), (0, 1005), (1, 1005), (0, 1006), (0, 1009)):
        for _ in range(sales):
            metrics.signatures.sold(SERIAL)
        metrics.signatures.counted(SERIAL, total)  # 1005: read just before the third sale
        shown.append(value(metrics, "tse_signatures_total", serial=SERIAL, cause="maintenance"))
    assert shown == [0, 3, 3, 3, 6]
    assert value(metrics, "tse_signatures_total", serial=SERIAL, cause="sale") == 3


def test_tills_are_told_apart_only_if_that_is_wanted() -> None:
    metrics = Metrics()
    metrics.clients.signed(SERIAL, b"POS-1", finished=True)
    assert value(metrics, "tse_client_receipts_total", serial=SERIAL, client="POS-1") is None


def test_a_till_has_series_until_it_is_deregistered_and_no_tse_has_more_than_it_registers() -> None:
    metrics = Metrics(clients=True)
    for number in range(150):
        metrics.clients.signed(SERIAL, b"%d" % number, finished=False)
    metrics.clients.signed(SERIAL, b"7", finished=True)
    name = "tse_client_last_seen_timestamp_seconds"
    assert metrics.exposition()[0].decode().count(f"\n{name}{{") == 100
    assert value(metrics, "tse_client_receipts_total", serial=SERIAL, client="7") == 1
    metrics.clients.gone(SERIAL, b"7")
    metrics.clients.gone(SERIAL, b"never seen")
    assert value(metrics, name, serial=SERIAL, client="7") is None
    metrics.clients.signed(SERIAL, b"140", finished=False)
    assert value(metrics, name, serial=SERIAL, client="140")
