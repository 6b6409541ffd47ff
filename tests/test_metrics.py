import asyncio
import contextlib
import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.errors import CommandRejected, DeviceTimeout
from gateway.metrics import Metrics
from gateway.tse.info import TseInfo

SERIAL = "AB" * 32


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def used() -> Metrics:
    """Metrics on which every verb was used once."""
    metrics = Metrics()
    with metrics.command(SERIAL, "login"), metrics.queued(SERIAL), metrics.lock_waiting(SERIAL):
        pass
    metrics.lock_granted(SERIAL, 0.1)
    metrics.lock_released(SERIAL, 0.2)
    metrics.lock_refused(SERIAL)
    metrics.lock_expired(SERIAL, "silent")
    metrics.replayed(SERIAL)
    metrics.signatures(SERIAL)
    metrics.device_up(SERIAL, True)
    metrics.reopened(SERIAL, "device_gone")
    metrics.http_request("/healthz", 200, 0.001)
    metrics.auth_failure()
    metrics.refused(SERIAL, CommandRejected(0x1002, "no time"))
    metrics.snapshot(SERIAL, TseInfo(bytes(32), bytes(97), self_test_due_seconds=7, time_sync_due_seconds=8))
    metrics.upkeep(SERIAL, "set_time", "ok")
    metrics.pin_tries(SERIAL, "admin", 2)
    metrics.signature_settled(SERIAL, "signed")
    metrics.clock(fit=True, source="kernel", offset=0.25)
    return metrics


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (CommandRejected(0x1002, "no time"), "NO_TIME_SET"),
        (CommandRejected(0x1102, "wrong PIN"), "AUTHENTICATION_FAILED"),
        (CommandRejected(0x7777, "?"), "0X7777"),
        (DeviceTimeout("late"), "device_timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (RuntimeError("bug"), "internal_error"),
    ],
)
def test_a_command_is_timed_and_counted_by_its_result(error: BaseException | None, result: str) -> None:
    metrics = Metrics()
    with contextlib.suppress(BaseException), metrics.command(SERIAL, "login"):
        if error is not None:
            raise error
    assert value(metrics, "tse_commands_total", serial=SERIAL, command="login", result=result) == 1
    assert value(metrics, "tse_command_duration_seconds_count", serial=SERIAL, command="login") == 1


def test_the_error_of_a_command_goes_on_to_the_caller() -> None:
    with pytest.raises(DeviceTimeout), Metrics().command(SERIAL, "login"):
        raise DeviceTimeout("late")


def test_whoever_waits_is_counted_while_waiting_only() -> None:
    metrics = Metrics()
    with metrics.queued(SERIAL), metrics.lock_waiting(SERIAL):
        assert value(metrics, "tse_queue_depth", serial=SERIAL) == 1
        assert value(metrics, "tse_gateway_lock_waiting", serial=SERIAL) == 1
    assert value(metrics, "tse_queue_depth", serial=SERIAL) == 0
    assert value(metrics, "tse_gateway_lock_waiting", serial=SERIAL) == 0
    assert value(metrics, "tse_queue_wait_seconds_count", serial=SERIAL) == 1


def test_a_lock_is_held_since_it_was_granted_until_it_is_released() -> None:
    metrics = Metrics()
    name = "tse_gateway_lock_held_since_timestamp_seconds"
    metrics.lock_granted(SERIAL, 0.5)
    since = value(metrics, name, serial=SERIAL)
    assert since is not None
    assert since > 1.7e9
    metrics.lock_released(SERIAL, 2.0)
    assert value(metrics, name, serial=SERIAL) == 0
    assert value(metrics, "tse_gateway_lock_wait_seconds_sum", serial=SERIAL) == 0.5
    assert value(metrics, "tse_gateway_lock_held_seconds_sum", serial=SERIAL) == 2.0


def test_every_verb_counts() -> None:
    text = used().exposition()[0].decode()
    for line in (
        f'tse_up{{serial="{SERIAL}"}} 1.0',
        f'tse_signatures_total{{serial="{SERIAL}"}} 1.0',
        f'tse_reopened_total{{reason="device_gone",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_lock_refused_total{{serial="{SERIAL}"}} 1.0',
        f'tse_gateway_lock_expired_total{{reason="silent",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_replayed_total{{serial="{SERIAL}"}} 1.0',
        'tse_gateway_http_requests_total{route="/healthz",status="200"} 1.0',
        "tse_gateway_auth_failures_total 1.0",
        f'tse_gateway_refused_requests_total{{error="NO_TIME_SET",serial="{SERIAL}"}} 1.0',
        f'tse_gateway_build_info{{version="{__version__}"}} 1.0',
    ):
        assert f"{line}\n" in text


def test_names_follow_the_conventions_of_prometheus() -> None:
    body, content_type = used().exposition()
    assert content_type.startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(body.decode()))
    assert len(families) == 28
    for family in families:
        assert re.fullmatch(r"tse_[a-z_]+", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|bytes_total_total|created|gauge|counter)$", family.name)
        endings = {sample.name.removeprefix(family.name) for sample in family.samples}
        if family.type == "counter":
            assert endings == {"_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_each_gateway_has_series_of_its_own_unless_given_a_registry() -> None:
    registry = CollectorRegistry()
    Metrics(registry).device_up(SERIAL, False)
    assert registry.get_sample_value("tse_up", {"serial": SERIAL}) == 0
    assert value(Metrics(), "tse_up", serial=SERIAL) is None


def test_tries_of_a_pin_are_there_only_while_some_are_missing() -> None:
    metrics = Metrics()
    metrics.pin_tries(SERIAL, "time_admin", 1)
    assert value(metrics, "tse_pin_tries_left", serial=SERIAL, user="time_admin") == 1
    for _ in range(2):
        metrics.pin_tries(SERIAL, "time_admin", None)
    assert value(metrics, "tse_pin_tries_left", serial=SERIAL, user="time_admin") is None


def test_the_clock_has_one_source_at_a_time() -> None:
    metrics = Metrics()
    metrics.clock(fit=False, source="none", offset=None)
    metrics.clock(fit=True, source="sntp", offset=-2.5)
    assert value(metrics, "tse_gateway_clock_fit", source="none") is None
    assert value(metrics, "tse_gateway_clock_fit", source="sntp") == 1
    assert value(metrics, "tse_gateway_clock_offset_seconds") == -2.5
