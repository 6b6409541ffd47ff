"""Prometheus gauges of the TSEs, made from their last readings when somebody scrapes. No TSE is asked.

What happens (commands, locks, signatures) is counted in `gateway.metrics`; what is, stands here. A TSE that an
earlier run of the gateway saw and that is not there since is told of, too: else nobody would miss it.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.fleet.device import Device
from gateway.fleet.lock.tills import TillState
from gateway.fleet.outages.log import CRASHED, GATEWAY, STOPPED, OutageLog, Total
from gateway.fleet.registry import Registry
from gateway.fleet.status.readiness import ABSENT, FAILURES, OUTAGES, REASONS, lack
from gateway.tse.commands import HealthReply
from gateway.tse.info import Lifecycle, TseInfo, version_text
from gateway.tse.pins import USERS
from gateway.tse.products import certification_ends
from gateway.tse.sectors import SECTOR

_SERIAL = ["serial"]
_UNUSABLE = FAILURES.keys() | {ABSENT}

_OF_INFO: tuple[tuple[str, str, Callable[[TseInfo], float]], ...] = (
    ("tse_self_test_passed", "1 while the self test is valid", lambda info: info.self_test_passed),
    (
        "tse_self_test_due_seconds",
        "Time until the next self test is due, when last read",
        lambda info: info.self_test_due_seconds,
    ),
    ("tse_time_valid", "1 while the TSE has a valid time", lambda info: info.valid_time),
    (
        "tse_time_sync_due_seconds",
        "Time until the time must be set again, when last read",
        lambda info: info.time_sync_due_seconds,
    ),
    ("tse_ctss_active", "1 while signing is switched on", lambda info: info.ctss_active),
    (
        "tse_credentials_changed",
        "1 if PUK and PINs are no longer those of the factory",
        lambda info: info.all_credentials_changed,
    ),
    (
        "tse_certificate_expiry_timestamp_seconds",
        "When the certificate of the TSE ends, and with it its use",
        lambda info: info.certificate_expires,
    ),
    ("tse_signatures_used", "Signatures that the TSE has made in its life", lambda info: info.created_signatures),
    ("tse_signatures_max", "Signatures that the TSE can make in its life", lambda info: info.max_signatures),
    ("tse_store_capacity_bytes", "What fits into the store of the TSE", lambda info: info.capacity_blocks * SECTOR),
    ("tse_registered_clients", "Tills that are registered with the TSE", lambda info: info.registered_clients),
    ("tse_registered_clients_max", "Tills that can be registered", lambda info: info.max_registered_clients),
    ("tse_open_transactions_max", "Transactions that may be open at once", lambda info: info.max_open_transactions),
)
# Before its self test a TSE says 0, which would look as if it had been emptied.
_WHILE_ACTIVE: tuple[tuple[str, str, Callable[[TseInfo], float]], ...] = (
    ("tse_store_used_bytes", "What is in the store of the TSE", lambda info: info.used_blocks * SECTOR),
    ("tse_export_bytes", "Size of a full export", lambda info: info.export_bytes),
    ("tse_open_transactions", "Transactions that are not finished", lambda info: info.open_transactions),
)
_OF_HEALTH: tuple[tuple[str, str, Callable[[HealthReply], float]], ...] = (
    (
        "tse_flash_spare_blocks_ratio",
        "Spare blocks of the flash memory that are left",
        lambda health: health.spare_blocks_percent / 100,
    ),
    (
        "tse_flash_remaining_erases_ratio",
        "Erase cycles of the flash memory that are left",
        lambda health: health.remaining_erases_percent / 100,
    ),
    (
        "tse_flash_retention_ratio",
        "How well the flash memory will keep its data for ten years",
        lambda health: health.ten_year_retention_percent / 100,
    ),
    (
        "tse_flash_uncorrectable_ecc_errors",
        "Errors of the flash memory that could not be corrected",
        lambda health: health.uncorrectable_ecc_errors,
    ),
    (
        "tse_flash_needs_replacement",
        "1 if the TSE is worn by its maker's rule",
        lambda health: health.needs_replacement,
    ),
)


class FleetCollector(Collector):
    """Collects the gauges of all TSEs that the gateway knows."""

    def __init__(self, registry: Registry, outages: OutageLog) -> None:
        self._registry = registry
        self._outages = outages
        self._lengths: dict[tuple[str, str], float] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families, also those without a TSE yet."""
        devices = self._registry.devices()
        yield from _states(devices, self._outages.missing(device.serial for device in devices))
        for name, text, of_info in _OF_INFO:
            yield _gauge(name, text, ((device.serial, of_info(device.info)) for device in devices))
        yield _gauge(
            "tse_gateway_lock_held",
            "1 while a client holds the TSE, which is an open session",
            ((device.serial, device.lock.lease is not None) for device in devices),
        )
        yield _lock_holders(devices)
        yield from _tills(devices)
        yield from _users(devices)
        yield _gauge(
            "tse_product_certificate_expiry_timestamp_seconds",
            "When the certificate of the product ends; only there if the gateway knows it",
            ((device.serial, ends) for device in devices if (ends := certification_ends(device.info.description))),
        )
        active = [device for device in devices if device.info.ctss_active]
        for name, text, of_info in _WHILE_ACTIVE:
            yield _gauge(name, text, ((device.serial, of_info(device.info)) for device in active))
        yield _gauge(
            "tse_open_transaction_oldest_age_seconds",
            "For how long the oldest open transaction is open, as far as the gateway saw; 0 if none is",
            ((device.serial, device.oldest_transaction_seconds) for device in active),
        )
        yield _gauge(
            "tse_snapshot_age_seconds",
            "Time since the TSE was last asked for its state, which the other series show",
            ((device.serial, device.info_age) for device in devices),
        )
        yield from _flash(devices)
        yield from _outages(self._outages, self._grown)
        yield from _downtime(self._outages)
        yield from _fleet(devices)

    def _grown(self, serial: str, reason: str, seconds: float) -> float:
        """Return the longest value so far: a clock that is set back must not make a counter fall."""
        key = (serial, reason)
        self._lengths[key] = max(seconds, self._lengths.get(key, 0.0))
        return self._lengths[key]


def _states(devices: list[Device], absent: list[str]) -> Iterator[Metric]:
    reasons = {device.serial: lack(device) for device in devices} | dict.fromkeys(absent, ABSENT)
    yield _inventory(devices)
    yield _gauge(
        "tse_up",
        "1 while the TSE is plugged in and answers",
        ((serial, reason not in _UNUSABLE) for serial, reason in reasons.items()),
    )
    yield _gauge(
        "tse_attached",
        "1 while the TSE is plugged in, whether it works or not",
        [*((device.serial, device.attached) for device in devices), *((serial, False) for serial in absent)],
    )
    yield _gauge("tse_ready", "1 while the TSE can sign", ((serial, not reason) for serial, reason in reasons.items()))
    why = GaugeMetricFamily("tse_not_ready", "1 for the reason why the TSE cannot sign", labels=["serial", "reason"])
    for serial, reason in reasons.items():
        for name in (*REASONS, ABSENT):
            why.add_metric([serial, name], name == reason)
    state = GaugeMetricFamily("tse_state", "1 for the state that the TSE is in", labels=["serial", "state"])
    for device in devices:
        for known in Lifecycle:
            state.add_metric([device.serial, known.name.lower()], device.info.lifecycle == known)
    yield from (why, state)


def _inventory(devices: list[Device]) -> Metric:
    labels = ["serial", "place", "description", "form_factor", "software_version", "hardware_version"]
    family = GaugeMetricFamily("tse_info", "1; what the TSE is, in the labels", labels=labels)
    for device in devices:
        info, hardware = device.info, version_text(device.info.hardware_version)
        family.add_metric([device.serial, device.place, info.description, info.form_factor, info.software, hardware], 1)
    return family


def _lock_holders(devices: list[Device]) -> Metric:
    """Tell addresses without ports: a till has another port with each connection."""
    family = GaugeMetricFamily(
        "tse_gateway_lock_holder",
        "1 for the address that holds the lock, or `gateway`",
        labels=["serial", "address"],
    )
    for device in devices:
        status = device.lock.status
        if status is not None:
            family.add_metric([device.serial, status.peer.rpartition(":")[0] or "gateway"], 1)
    return family


def _tills(devices: list[Device]) -> Iterator[Metric]:
    """Tell how many tills do what: their names would be series without end."""
    family = GaugeMetricFamily(
        "tse_gateway_tills", "Tills that hold the lock, read, wait, or sold since the start", labels=["serial", "state"]
    )
    longest = GaugeMetricFamily(
        "tse_gateway_lock_longest_wait_seconds", "How long the till that waits longest has waited", labels=["serial"]
    )
    for device in devices:
        tills = device.lock.tills
        for state in TillState:
            family.add_metric([device.serial, state], sum(till.state is state for till in tills))
        waiting = [till.seconds for till in tills if till.state is TillState.WAITS]
        longest.add_metric([device.serial], max(waiting, default=0.0))
    yield from (family, longest)


def _users(devices: list[Device]) -> Iterator[Metric]:
    labels = ["serial", "user"]
    logged_in = GaugeMetricFamily(
        "tse_logged_in", "1 while the user is logged in, as far as the gateway knows", labels=labels
    )
    paused = GaugeMetricFamily(
        "tse_puk_blocked_seconds",
        "Time for which a TSE of generation 2 takes no PUK of the user, after wrong ones, when last read",
        labels=labels,
    )
    for device in devices:
        for owner in USERS:
            logged_in.add_metric([device.serial, owner], device.is_logged_in(owner.user))
            paused.add_metric([device.serial, owner], device.info.puk_blocked_seconds(owner.user))
    yield from (logged_in, paused)


def _flash(devices: list[Device]) -> Iterator[Metric]:
    known = [(device.serial, reading) for device in devices if (reading := device.flash_health) is not None]
    for name, text, of_health in _OF_HEALTH:
        yield _gauge(name, text, ((serial, of_health(reading.health)) for serial, reading in known))
    yield _gauge(
        "tse_flash_checked_timestamp_seconds",
        "When the TSE told the state of its flash memory",
        ((serial, reading.at) for serial, reading in known),
    )


def _outages(log: OutageLog, grown: Callable[[str, str, float], float]) -> Iterator[Metric]:
    active = GaugeMetricFamily("tse_outage_active", "1 while an outage of the TSE is recorded", labels=_SERIAL)
    for serial in log.known:
        active.add_metric([serial], serial in log.open)
    labels = ["serial", "reason"]
    count = CounterMetricFamily("tse_outages", "Outages, since the outage log began", labels=labels)
    seconds = CounterMetricFamily(
        "tse_outage_seconds", "Length of all outages, the present one included", labels=labels
    )
    refused = CounterMetricFamily("tse_outage_refused_requests", "Requests that outages refused", labels=_SERIAL)
    totals = log.totals()
    for serial in log.known:
        # Also those that never were: nobody sees a counter rise that begins with 1.
        of_tse = {reason: totals.get((serial, reason), Total()) for reason in sorted(OUTAGES)}
        for reason, total in of_tse.items():
            count.add_metric([serial, reason], total.count)
            seconds.add_metric([serial, reason], grown(serial, reason, total.seconds))
        refused.add_metric([serial], sum(total.refused for total in of_tse.values()))
    yield from (active, count, seconds, refused)


def _downtime(log: OutageLog) -> Iterator[Metric]:
    count = CounterMetricFamily("tse_gateway_downtimes", "Times that the gateway did not run", labels=["reason"])
    seconds = CounterMetricFamily("tse_gateway_downtime_seconds", "How long the gateway did not run", labels=["reason"])
    totals = log.totals()
    for reason in (STOPPED, CRASHED):
        total = totals.get((GATEWAY, reason), Total())
        count.add_metric([reason], total.count)
        seconds.add_metric([reason], total.seconds)
    yield from (count, seconds)


def _fleet(devices: list[Device]) -> Iterator[Metric]:
    ready = sum(not lack(device) for device in devices)
    yield GaugeMetricFamily("tse_gateway_tses", "TSEs that the gateway has seen since its start", len(devices))
    yield GaugeMetricFamily("tse_gateway_tses_ready", "TSEs that can sign now", ready)


def _gauge(name: str, text: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=_SERIAL)
    for serial, value in values:
        family.add_metric([serial], value)
    return family
