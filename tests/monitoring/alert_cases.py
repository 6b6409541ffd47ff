"""For each alert: series with which it must fire, and series with which it must not. promtool's notation.

There is one value a minute unless `step` says otherwise; the clock begins at Unix time 0.
"""

from typing import NamedTuple

DAY = 86_400
Series = dict[str, str]

_TSE = 'serial="AB", instance="shop:9464", job="tse-gateway"'
_GATEWAY = 'instance="shop:9464", job="tse-gateway"'


class Case(NamedTuple):
    """`at` is when it is looked at, `step` the distance of two values; without `silent` it always fires."""

    alert: str
    fires: Series
    silent: Series | None
    at: str = "90m"
    step: str = "1m"


def tse(name: str, values: str, labels: str = "") -> Series:
    return {f"{name}{{{', '.join(filter(None, (_TSE, labels)))}}}": values}


def gateway(name: str, values: str, labels: str = "") -> Series:
    return {f"{name}{{{', '.join(filter(None, (_GATEWAY, labels)))}}}": values}


def steady(value: float) -> str:
    return f"{value:.15g}x800"


def share(part: str, whole: str, ratio: float) -> Series:
    return tse(part, steady(1000 * ratio)) | tse(whole, steady(1000))


def certificate(days: float) -> Series:
    return tse("tse_certificate_expiry_timestamp_seconds", steady(days * DAY))


def product(days: float) -> Series:
    return tse("tse_product_certificate_expiry_timestamp_seconds", steady(days * DAY))


def copied(hours: float) -> Series:
    return tse("tse_gateway_archive_target_lag_seconds", steady(hours * 3600), 'target="nas"')


def archived(hours: float) -> Series:
    return tse("tse_gateway_archive_age_seconds", steady(hours * 3600))


def tls(days: float) -> Series:
    return gateway("tse_gateway_tls_certificate_expiry_timestamp_seconds", steady(days * DAY))


def commands(command: str, result: str, values: str) -> Series:
    return tse("tse_commands_total", values, f'command="{command}", result="{result}"')


def durations(name: str, quick: str, slow: str, labels: str = "") -> Series:
    """A histogram with what took at most a quarter of a second, and what took up to ten."""
    bounds = {"0.25": quick, "10": slow, "+Inf": slow}
    return {
        key: values
        for bound, values in bounds.items()
        for key in tse(name + "_bucket", values, ", ".join(filter(None, (labels, f'le="{bound}"'))))
    }


def firmware(version: str) -> Series:
    return tse("tse_info", steady(1), f'software_version="{version}"')


def failures(reason: str, values: str) -> Series:
    return gateway("tse_gateway_auth_failures_total", values, f'reason="{reason}"')


def seen(client: str, values: str, serial: str = "AB") -> Series:
    name, labels = "tse_client_last_seen_timestamp_seconds", f'client="{client}", serial="{serial}"'
    return gateway(name, values, labels)


def lost(reason: str, values: str) -> Series:
    return tse("tse_lost_total", values, f'reason="{reason}"')


def pool(role: str, values: str) -> Series:
    return tse("tse_pool_serving", values, f'role="{role}"')


_UP, _DOWN = tse("tse_up", steady(1)), tse("tse_up", steady(0))
_TESTED = tse("tse_self_test_passed", steady(1))
_TIMED = tse("tse_time_valid", steady(1))
_SIGN = 'command="sign"'
_IN_SERVICE = 'state="initialized"'

CASES = (
    Case("TseDown", _DOWN, _UP, "3m"),
    Case(
        "TseDown",
        _DOWN | tse("tse_state", steady(1), _IN_SERVICE),
        _DOWN | tse("tse_state", steady(0), _IN_SERVICE),
        "3m",
    ),
    Case("TseDown", tse("tse_up", "1 1 1 0 0 0"), tse("tse_up", "1 1 0 1 1 0"), "5m"),
    Case(
        "TseNotReady",
        tse("tse_not_ready", steady(1), 'reason="no_time"'),
        tse("tse_not_ready", steady(1), 'reason="not_set_up"') | tse("tse_not_ready", steady(0), 'reason="no_time"'),
        "6m",
    ),
    Case("TseNotReady", tse("tse_not_ready", steady(1), 'reason="store_full"'), _UP, "6m"),
    Case("TseStandbyServes", pool("standby", steady(1)), pool("standby", steady(0)) | pool("primary", steady(1)), "1m"),
    Case(
        "TseStandbyUnready",
        pool("standby", steady(0)) | tse("tse_ready", steady(0)),
        pool("primary", steady(0)) | tse("tse_ready", steady(0)),
    ),
    Case(
        "TseStandbyUnready",
        pool("standby", steady(0)) | tse("tse_ready", steady(1)) | tse("tse_pool_missing_clients", steady(1)),
        pool("standby", steady(0)) | tse("tse_ready", steady(1)) | tse("tse_pool_missing_clients", steady(0)),
    ),
    Case("GatewayNoTse", gateway("tse_gateway_tses", steady(0)), gateway("tse_gateway_tses", steady(1)), "6m"),
    Case(  # one that is missed is told by TseDown
        "GatewayNoTse",
        gateway("tse_gateway_tses", steady(0)),
        gateway("tse_gateway_tses", steady(0)) | _DOWN,
        "6m",
    ),
    Case(
        "TseSelfTestFailed",
        commands("self test", "ok", "0+1x200") | commands("self test", "SELF_TEST_CSP", "_x70 1x50"),
        commands("self test", "ok", "0+1x200") | commands("self test", "CLIENT_NOT_REGISTERED", "_x70 1x50"),
    ),
    Case(
        "TseSelfTestFailed",
        commands("self test", "SELF_TEST_RNG", "3x80 4x50"),
        commands("self test", "SELF_TEST_RNG", steady(3)),
    ),
    Case("TseFlapping", lost("unplugged", "0+1x100"), lost("unplugged", "0x60 1x60"), "61m"),
    Case("TseFlapping", lost("device_timeout", "0+1x100"), lost("stopped", "0+1x100"), "61m"),
    Case(
        "TseSelfTestDueSoon",
        _UP | _TESTED | tse("tse_self_test_due_seconds", "7000-60x60"),
        _UP | _TESTED | tse("tse_self_test_due_seconds", "80000-60x60"),
        "12m",
    ),
    Case(
        "TseSelfTestDueSoon",
        _UP | _TESTED | tse("tse_self_test_due_seconds", "7000-60x60"),
        _DOWN | _TESTED | tse("tse_self_test_due_seconds", "7000-60x60"),
        "12m",
    ),
    Case(
        "TseTimeSyncOverdue",
        _UP | _TIMED | tse("tse_time_sync_due_seconds", steady(60)),
        _UP | _TIMED | tse("tse_time_sync_due_seconds", steady(900)),
        "3m",
    ),
    Case(
        "TseReadingsOld",
        _UP | tse("tse_snapshot_age_seconds", "0+60x100"),
        _UP | tse("tse_snapshot_age_seconds", steady(5)),
        "40m",
    ),
    Case(
        "TseReadingsOld",
        _UP | tse("tse_snapshot_age_seconds", "0+60x100"),
        _DOWN | tse("tse_snapshot_age_seconds", "0+60x100"),
        "40m",
    ),
    Case(
        "TseUpkeepFailing",
        tse("tse_upkeep_runs_total", "_x80 1x20", 'duty="set_time", result="AUTHENTICATION_FAILED"'),
        tse("tse_upkeep_runs_total", "0+1x100", 'duty="set_time", result="ok"'),
    ),
    Case(
        "TseFoundAhead",
        tse("tse_found_ahead_timestamp_seconds", steady(0)),
        tse("tse_found_ahead_timestamp_seconds", steady(-700_000)),
        "1m",
    ),
    Case(
        "GatewayStateNotWritable",
        gateway("tse_gateway_state_writable", steady(0)),
        gateway("tse_gateway_state_writable", steady(1)),
        "2m",
    ),
    Case(
        "GatewayClockUnfit",
        gateway("tse_gateway_clock_fit", steady(0), 'source="none"'),
        gateway("tse_gateway_clock_fit", "0 _ _ _ _ _", 'source="none"')
        | gateway("tse_gateway_clock_fit", steady(1), 'source="sntp"'),
        "16m",
    ),
    Case(
        "GatewayClockOffset",
        gateway("tse_gateway_clock_offset_seconds", steady(-45)),
        gateway("tse_gateway_clock_offset_seconds", "20x30"),
        "12m",
    ),
    Case(
        "TseClockOffset",
        _UP | tse("tse_clock_offset_seconds", steady(-3600)),
        _UP | tse("tse_clock_offset_seconds", steady(-1)),
        "12m",
    ),
    Case("TseCertificateExpires180", certificate(179), certificate(181)),
    Case("TseCertificateExpires180", certificate(91), certificate(89)),
    Case("TseCertificateExpires90", certificate(89), certificate(91)),
    Case("TseCertificateExpires30", certificate(29), certificate(31)),
    Case("TseCertificateExpires7", certificate(6), certificate(8)),
    Case("TseCertificateExpired", certificate(0), certificate(1)),
    Case("TseProductCertificateEnds", product(179), product(181)),
    Case("TseProductCertificateEnds", product(31), product(29)),
    Case("TseProductCertificateEnds30", product(29), product(31)),
    Case("TseProductCertificateEnds30", product(-1), {}),
    Case(
        "TseSignaturesLow",
        share("tse_signatures_used", "tse_signatures_max", 0.92),
        share("tse_signatures_used", "tse_signatures_max", 0.88),
    ),
    Case(
        "TseSignaturesNearlyUsedUp",
        share("tse_signatures_used", "tse_signatures_max", 0.99),
        share("tse_signatures_used", "tse_signatures_max", 0.97),
    ),
    Case(
        "TseStoreFilling",
        share("tse_store_used_bytes", "tse_store_capacity_bytes", 0.85),
        share("tse_store_used_bytes", "tse_store_capacity_bytes", 0.75),
    ),
    Case(
        "TseStoreNearlyFull",
        share("tse_store_used_bytes", "tse_store_capacity_bytes", 0.96),
        share("tse_store_used_bytes", "tse_store_capacity_bytes", 0.94),
    ),
    Case("ArchiveTooOld", archived(27), archived(25)),
    Case("ArchiveTooOld", archived(27), tse("tse_gateway_archive_age_seconds", "97200x10 60+60x100")),
    Case("ArchiveTooOld7d", archived(169), archived(160)),
    Case(
        "ArchiveVerifyFailed",
        tse("tse_gateway_archive_verify_failures_total", "0x60 1x40"),
        tse("tse_gateway_archive_verify_failures_total", steady(3)),
    ),
    Case("ArchiveTargetBehind", copied(27), copied(25)),
    Case("ArchiveTargetBehind7d", copied(169), copied(160)),
    Case(
        "ArchiveTargetDiffers",
        tse("tse_gateway_archive_target_intact", steady(0), 'target="nas"'),
        tse("tse_gateway_archive_target_intact", steady(1), 'target="nas"'),
    ),
    Case(
        "ArchiveNotStamped",
        tse("tse_gateway_archive_unstamped_seconds", steady(27 * 3600)),
        tse("tse_gateway_archive_unstamped_seconds", steady(25 * 3600)),
    ),
    Case(
        "TseFlashWear",
        tse("tse_flash_needs_replacement", steady(1)),
        tse("tse_flash_needs_replacement", steady(0)),
        "1m",
    ),
    Case(
        "TseFlashWear",
        tse("tse_flash_remaining_erases_ratio", steady(0.05)),
        tse("tse_flash_remaining_erases_ratio", steady(0.5)),
        "1m",
    ),
    Case(
        "TseFlashWear",
        tse("tse_flash_uncorrectable_ecc_errors", steady(1)),
        tse("tse_flash_uncorrectable_ecc_errors", steady(0)),
        "1m",
    ),
    Case(
        "TseFlashWear",
        tse("tse_flash_spare_blocks_ratio", steady(0.05)),
        tse("tse_flash_spare_blocks_ratio", steady(0.5)),
        "1m",
    ),
    Case("FirmwareKnownBad", firmware("1.0.4"), firmware("1.1.0")),
    Case("FirmwareKnownBad", firmware("0.9.12"), firmware("10.0.0") | firmware("2.0.1")),
    Case(
        "TseClientsNearMax",
        share("tse_registered_clients", "tse_registered_clients_max", 0.95),
        share("tse_registered_clients", "tse_registered_clients_max", 0.9),
    ),
    Case(
        "TseOpenTransactionsMany",
        share("tse_open_transactions", "tse_open_transactions_max", 0.6),
        share("tse_open_transactions", "tse_open_transactions_max", 0.4),
    ),
    Case(
        "TseOpenTransactionOld",
        tse("tse_open_transaction_oldest_age_seconds", "86000+60x200"),
        tse("tse_open_transaction_oldest_age_seconds", "60000+60x200"),
    ),
    Case(
        "TseOpenTransactionsNearMax",
        share("tse_open_transactions", "tse_open_transactions_max", 0.95),
        share("tse_open_transactions", "tse_open_transactions_max", 0.85),
    ),
    Case(
        "TsePinTriesLow",
        tse("tse_pin_tries_left", steady(1), 'user="time_admin"'),
        tse("tse_pin_tries_left", steady(3), 'user="time_admin"'),
        "1m",
    ),
    Case(
        "TsePinBlocked",
        tse("tse_pin_blocked", steady(1), 'user="admin"'),
        tse("tse_pin_blocked", steady(0), 'user="admin"'),
        "1m",
    ),
    Case(
        "TsePukPaused",
        tse("tse_puk_blocked_seconds", steady(4), 'user="admin"'),
        tse("tse_puk_blocked_seconds", steady(0), 'user="admin"'),
        "1m",
    ),
    Case(
        "TseAdminLoggedIn",
        _UP | tse("tse_logged_in", steady(1), 'user="admin"'),
        _UP | tse("tse_logged_in", steady(1), 'user="time_admin"'),
    ),
    Case(  # who logs out, and one whose login nobody can see any more
        "TseAdminLoggedIn",
        _UP | tse("tse_logged_in", steady(1), 'user="admin"'),
        _DOWN | tse("tse_logged_in", steady(1), 'user="admin"'),
    ),
    Case("GatewayTlsExpiry", tls(20), tls(22)),
    Case("GatewayTlsExpiresSoon", tls(6), tls(8)),
    Case(
        "TseSlow",
        durations("tse_command_duration_seconds", "0x100", "0+5x100", _SIGN),
        durations("tse_command_duration_seconds", "0+5x100", "0+5x100", _SIGN),
        "40m",
    ),
    Case(
        "TseSlow",
        durations("tse_command_duration_seconds", "0x100", "0+5x100", _SIGN),
        durations("tse_command_duration_seconds", "0x100", "0+5x100", 'command="self test"'),
        "40m",
    ),
    Case(
        "GatewayQueueLong",
        durations("tse_gateway_lock_wait_seconds", "0x100", "0+5x100"),
        durations("tse_gateway_lock_wait_seconds", "0+5x100", "0+5x100"),
        "20m",
    ),
    Case(
        "GatewayQueueLong", tse("tse_gateway_lock_waiting", steady(6)), tse("tse_gateway_lock_waiting", steady(5)), "7m"
    ),
    Case("GatewayQueueLong", tse("tse_queue_depth", steady(6)), tse("tse_queue_depth", "9 0 9 0 9 0 9 0"), "7m"),
    Case(
        "GatewayLockStuck",
        tse("tse_gateway_lock_held_since_timestamp_seconds", steady(60)) | tse("tse_gateway_lock_waiting", steady(1)),
        tse("tse_gateway_lock_held_since_timestamp_seconds", steady(60)) | tse("tse_gateway_lock_waiting", steady(0)),
        "5m",
    ),
    Case(
        "GatewayLockStuck",
        tse("tse_gateway_lock_held_since_timestamp_seconds", steady(60)) | tse("tse_gateway_lock_waiting", steady(1)),
        tse("tse_gateway_lock_held_since_timestamp_seconds", steady(0)) | tse("tse_gateway_lock_waiting", steady(1)),
        "5m",
    ),
    Case(
        "GatewayAuthFailures",
        failures("wrong", "0+5x60"),
        failures("wrong", "0+1x60") | failures("missing", steady(1000)),
        "20m",
    ),
    Case(  # one who guesses is throttled soon
        "GatewayAuthFailures",
        failures("wrong", "0 10x60") | failures("throttled", "0 0 0 5 10 15 20 20x60"),
        failures("wrong", "0 10x60") | failures("throttled", "0x60"),
        "9m",
    ),
    Case(
        "GatewayTokensGuessed",
        gateway("tse_gateway_wrong_tokens", "60x10", 'address="192.0.2.66"'),
        gateway("tse_gateway_wrong_tokens", "10x10", 'address="192.0.2.66"'),
        "1m",
    ),
    Case(
        "TokenLaggards",
        gateway("tse_gateway_token_laggards", steady(2), 'token="lan"'),
        gateway("tse_gateway_token_laggards", "2x22 0x10", 'token="lan"'),
        "13h",
        "30m",
    ),
    Case(
        "GatewayThreadsHang",
        gateway("tse_gateway_hung_threads", steady(1)),
        gateway("tse_gateway_hung_threads", "1x20 0x100"),
        "40m",
    ),
    Case("ClientSilent", seen("POS-1", "0x100 _x100"), seen("POS-1", "0+3600x200"), "140h", "1h"),
    Case(  # it moved to another TSE
        "ClientSilent",
        seen("POS-1", steady(0)),
        seen("POS-1", steady(0)) | seen("POS-1", "0+3600x200", "CD"),
        "140h",
        "1h",
    ),
    Case(
        "GatewayCrashed",
        gateway("tse_gateway_downtimes_total", "2x10 3x20", 'reason="gateway_crashed"'),
        gateway("tse_gateway_downtimes_total", "2x10 3x20", 'reason="gateway_stopped"'),
        "20m",
    ),
    Case(
        "SimulatorInProduction",
        gateway("tse_gateway_simulators", steady(1)),
        gateway("tse_gateway_simulators", steady(0)),
        "1m",
    ),
)
