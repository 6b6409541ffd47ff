"""Dashboard "TSE site": one gateway. Is everything signing, how long do tills wait, what runs out when?"""

from grafana_foundation_sdk.builders import dashboard

from compose.monitoring.source.panels import (
    GOOD,
    NO,
    alerts,
    answer,
    board,
    curve,
    few,
    listing,
    many,
    number,
    variable,
)
from gateway import limits

_OF = 'site=~"$site", instance=~"$instance"'
_TSE = f'{_OF}, serial=~"$serial"'
_DAY = 86_400
_SHORT = "{{tse}}"


def site() -> dashboard.Dashboard:
    """Return the whole dashboard."""
    made = board("TSE site", "tse-site", "One TSE gateway: is it signing, do tills wait, what runs out when?")
    made = made.with_variable(
        variable("instance", "Gateway", 'label_values(tse_gateway_build_info{site=~"$site"}, instance)')
    ).with_variable(variable("serial", "TSE", f"label_values(tse_info{{{_OF}}}, serial)"))
    for rows in (_signing, _waiting, _ending, _tills, _outages, _gateway):
        made = rows(made)
    return made


def _signing(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        made.with_row(dashboard.Row("Can tills sign?"))
        .with_panel(alerts(_OF))
        .with_panel(answer("Can sign", "Each TSE: would a signature work now?", f"tse_ready{{{_TSE}}}", _SHORT, span=6))
        .with_panel(
            answer("Answers", "Each TSE: is it plugged in, and does it answer?", f"tse_up{{{_TSE}}}", _SHORT, span=6)
        )
        .with_panel(
            listing(
                "Why not",
                "What keeps a TSE from signing; empty when all can",
                f"tse_not_ready{{{_TSE}}} == 1",
                "Value",
                span=12,
                height=4,
            )
        )
        .with_panel(
            curve(
                "Receipts",
                "Messages signed for tills in a minute; a receipt takes two or three",
                "short",
                GOOD,
                (f'rate(tse_signatures_total{{{_TSE}, cause="sale"}}[5m]) * 60', _SHORT),
                span=12,
            )
        )
        .with_panel(curve("Ready", "1 while the TSE can sign", "none", GOOD, (f"tse_ready{{{_TSE}}}", _SHORT), span=12))
    )


def _waiting(made: dashboard.Dashboard) -> dashboard.Dashboard:
    signing = f'rate(tse_command_duration_seconds_bucket{{{_TSE}, command="sign"}}[$__rate_interval])'
    locks = f"rate(tse_gateway_lock_wait_seconds_bucket{{{_TSE}}}[$__rate_interval])"
    held = f"time() - (tse_gateway_lock_held_since_timestamp_seconds{{{_TSE}}} > 0)"
    return (
        made.with_row(dashboard.Row("How long do tills wait?"))
        .with_panel(
            curve(
                "Time to sign",
                "Half of all signatures, and all but one in twenty, are faster than this; 0.25 s is usual",
                "s",
                many(0.5, 1),
                (f"histogram_quantile(0.5, sum by (le) ({signing}))", "half"),
                (f"histogram_quantile(0.95, sum by (le) ({signing}))", "95 %"),
            )
        )
        .with_panel(
            curve(
                "Wait for the lock",
                "How long tills wait until the TSE is theirs; some give up after 9 s",
                "s",
                many(1, 3),
                (f"histogram_quantile(0.5, sum by (le) ({locks}))", "half"),
                (f"histogram_quantile(0.95, sum by (le) ({locks}))", "95 %"),
            )
        )
        .with_panel(
            curve(
                "Who waits",
                "Tills that wait for the lock, and calls that wait for the TSE's turn",
                "short",
                many(3, 5),
                (f"tse_gateway_lock_waiting{{{_TSE}}}", "lock {{tse}}"),
                (f"tse_queue_depth{{{_TSE}}}", "turn {{tse}}"),
            )
        )
        .with_panel(
            curve("Lock held", "For how long the present holder has the TSE", "s", many(60, 120), (held, _SHORT))
        )
        .with_panel(
            curve(
                "Refused",
                "Requests that ended with an error, by its name",
                "short",
                many(1, 10),
                (f"sum by (error) (increase(tse_gateway_refused_requests_total{{{_OF}}}[5m]))", "{{error}}"),
                (f"sum(increase(tse_gateway_lock_refused_total{{{_TSE}}}[5m]))", "waited in vain"),
            )
        )
        .with_panel(
            curve(
                "Answered from memory",
                "Requests that tills sent again, and locks taken from silent or lost tills",
                "short",
                GOOD,
                (f"sum by (kind) (increase(tse_gateway_replayed_total{{{_TSE}}}[5m]))", "{{kind}}"),
                (f"sum by (reason) (increase(tse_gateway_lock_expired_total{{{_TSE}}}[5m]))", "lock: {{reason}}"),
            )
        )
    )


def _ending(made: dashboard.Dashboard) -> dashboard.Dashboard:
    left = f"1 - tse_signatures_used{{{_TSE}}} / tse_signatures_max{{{_TSE}}}"
    full = f"tse_store_used_bytes{{{_TSE}}} / tse_store_capacity_bytes{{{_TSE}}}"
    room = f"(tse_store_capacity_bytes{{{_TSE}}} - tse_store_used_bytes{{{_TSE}}})"
    unsigned = f"(tse_signatures_max{{{_TSE}}} - tse_signatures_used{{{_TSE}}})"
    weeks = few(*limits.CERTIFICATE_LEFT)
    return (
        made.with_row(dashboard.Row("What runs out when?"))
        .with_panel(
            number(
                "Certificate of the TSE",
                "Time until the TSE must be replaced",
                f"tse_certificate_expiry_timestamp_seconds{{{_TSE}}} - time()",
                "s",
                weeks,
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Certificate of the product",
                "Time until the BSI's certificate of the product ends; empty if the gateway does not know it",
                f"tse_product_certificate_expiry_timestamp_seconds{{{_TSE}}} - time()",
                "s",
                weeks,
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Signatures left",
                "Share of all that it can make",
                left,
                "percentunit",
                few(*limits.SIGNATURES_LEFT),
                _SHORT,
            )
        )
        .with_panel(
            number("Store", "How full it is; the TSE's own word", full, "percentunit", many(*limits.STORE_USED), _SHORT)
        )
        .with_panel(
            number(
                "Store lasts",
                "At the pace of the last week",
                f"{room} / (deriv(tse_store_used_bytes{{{_TSE}}}[7d]) > 0)",
                "s",
                few(90 * _DAY, 14 * _DAY),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Signatures last",
                "At the pace of the last week",
                f"{unsigned} / (deriv(tse_signatures_used{{{_TSE}}}[7d]) > 0)",
                "s",
                few(365 * _DAY, 180 * _DAY),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Oldest open transaction",
                "For how long it is open, as far as the gateway saw; one a day old was forgotten by its till",
                f"tse_open_transaction_oldest_age_seconds{{{_TSE}}}",
                "s",
                many(3600, _DAY),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Archive",
                "Time since it held everything that the TSE signed; it is brought up to date each night",
                f"tse_gateway_archive_age_seconds{{{_TSE}}}",
                "s",
                many(*limits.ARCHIVE_AGE),
                _SHORT,
            )
        )
        .with_panel(
            answer(
                "Archive verified",
                "Did the verifier find no error in what is archived?",
                f"tse_gateway_archive_verified{{{_TSE}}}",
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Next self test",
                "Time until it is due; without it nothing is signed",
                f"tse_self_test_due_seconds{{{_TSE}}}",
                "s",
                few(*limits.SELF_TEST_DUE),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Next setting of the time",
                "Time until it is due; without it nothing is signed",
                f"tse_time_sync_due_seconds{{{_TSE}}}",
                "s",
                few(*limits.TIME_SYNC_DUE),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Tills registered",
                "Share of the tills that the TSE takes",
                f"tse_registered_clients{{{_TSE}}} / tse_registered_clients_max{{{_TSE}}}",
                "percentunit",
                many(*limits.CLIENTS_REGISTERED),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Open transactions",
                "Share of those that may be open at once",
                f"tse_open_transactions{{{_TSE}}} / tse_open_transactions_max{{{_TSE}}}",
                "percentunit",
                many(0.5, 0.9),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Flash memory",
                "Erase cycles left; the TSE is asked once a day",
                f"tse_flash_remaining_erases_ratio{{{_TSE}}}",
                "percentunit",
                few(*limits.FLASH_ERASES_LEFT),
                _SHORT,
            )
        )
        .with_panel(
            number(
                "Wrong PINs",
                "Tries left; empty while nobody sent a wrong one",
                f"tse_pin_tries_left{{{_TSE}}}",
                "none",
                few(*limits.PIN_TRIES_LEFT),
                "{{user}} {{tse}}",
            )
        )
        .with_panel(
            number(
                "Wrong PUKs",
                "Time for which a TSE of generation 2 takes no PUK; empty while nobody sent a wrong one",
                f"tse_puk_blocked_seconds{{{_TSE}}} > 0",
                "s",
                NO,
                "{{user}} {{tse}}",
            )
        )
        .with_panel(
            number(
                "TLS certificate",
                "Time until it ends; the gateway's own is renewed by itself",
                f"tse_gateway_tls_certificate_expiry_timestamp_seconds{{{_OF}}} - time()",
                "s",
                few(*limits.TLS_CERTIFICATE_LEFT),
            )
        )
        .with_panel(
            number(
                "Maintenance",
                "Signatures of the last 30 days that were no receipts: log-ins, settings of the time",
                f'increase(tse_signatures_total{{{_TSE}, cause="maintenance"}}[30d])',
                "short",
                GOOD,
                _SHORT,
            )
        )
    )


def _tills(made: dashboard.Dashboard) -> dashboard.Dashboard:
    receipts = f"increase(tse_client_receipts_total{{{_TSE}}}[1h])"
    silent = f"time() - max by (instance, client) (tse_client_last_seen_timestamp_seconds{{{_TSE}}})"
    return (
        made.with_row(dashboard.Row("Tills (with GATEWAY_METRICS_CLIENTS=true)"))
        .with_panel(
            curve(
                "Receipts of each till",
                "Transactions finished in each hour; the twenty tills with the most",
                "short",
                GOOD,
                (f"topk(20, sum by (instance, client) ({receipts}))", "{{client}}"),
                span=12,
            )
        )
        .with_panel(
            number(
                "Silent tills",
                "Time since the till last had something signed; the ten longest",
                f"topk(10, {silent})",
                "s",
                many(3 * _DAY, 5 * _DAY),
                "{{client}}",
                span=12,
                height=7,
            )
        )
    )


def _outages(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        made.with_row(dashboard.Row("Outages"))
        .with_panel(
            curve(
                "Outages",
                "Length of outages in each hour, by reason",
                "s",
                NO,
                (f"sum by (reason) (increase(tse_outage_seconds_total{{{_TSE}}}[1h])) > 0", "{{reason}}"),
                (f"sum by (reason) (increase(tse_gateway_downtime_seconds_total{{{_OF}}}[1h])) > 0", "{{reason}}"),
            )
        )
        .with_panel(
            curve(
                "Refused by outages",
                "Requests of tills that an outage refused, in each hour",
                "short",
                NO,
                (f"increase(tse_outage_refused_requests_total{{{_TSE}}}[1h])", _SHORT),
            )
        )
        .with_panel(
            curve(
                "Lost",
                "Times that the TSE was lost, by what happened; the gateway opens it again by itself",
                "short",
                NO,
                (f"sum by (reason) (increase(tse_lost_total{{{_TSE}}}[1h])) > 0", "{{reason}}"),
            )
        )
        .with_panel(
            curve(
                "Upkeep",
                "Self tests and settings of the time by the gateway",
                "short",
                GOOD,
                (f"sum by (duty, result) (increase(tse_upkeep_runs_total{{{_TSE}}}[1h]))", "{{duty}}: {{result}}"),
            )
        )
        .with_panel(
            curve(
                "Commands that failed",
                "By what the TSE said",
                "short",
                NO,
                (
                    f'sum by (command, result) (increase(tse_commands_total{{{_TSE}, result!="ok"}}[5m]))',
                    "{{command}}: {{result}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Lost answers",
                "Signatures whose answer was lost, and what the TSE told of them afterwards",
                "short",
                NO,
                (f"sum by (outcome) (increase(tse_lost_signatures_total{{{_TSE}}}[1h]))", "{{outcome}}"),
            )
        )
    )


def _gateway(made: dashboard.Dashboard) -> dashboard.Dashboard:
    answered = f"rate(tse_gateway_http_request_duration_seconds_bucket{{{_OF}}}[$__rate_interval])"
    return (
        made.with_row(dashboard.Row("The gateway"))
        .with_panel(
            curve(
                "Requests",
                "Answers in a second, by status",
                "reqps",
                GOOD,
                (
                    f"sum by (status) (rate(tse_gateway_http_requests_total{{{_OF}}}[$__rate_interval]))",
                    "{{status}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Time to answer",
                "95 % of all requests are faster; those that wait for a lock are among them",
                "s",
                many(1, 3),
                (f"histogram_quantile(0.95, sum by (le, route) ({answered}))", "{{route}}"),
            )
        )
        .with_panel(
            curve(
                "Wrong tokens",
                "Requests in ten minutes with a wrong token, without one, or unseen after too many wrong ones",
                "short",
                many(5, 20),
                (
                    f"sum by (instance, reason) (increase(tse_gateway_auth_failures_total{{{_OF}}}[10m]))",
                    "{{instance}}: {{reason}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Memory",
                "Of the gateway's process",
                "bytes",
                GOOD,
                (f"process_resident_memory_bytes{{{_OF}}}", "{{instance}}"),
            )
        )
        .with_panel(
            curve(
                "Processor",
                "Share of one core",
                "percentunit",
                many(0.5, 0.9),
                (f"rate(process_cpu_seconds_total{{{_OF}}}[$__rate_interval])", "{{instance}}"),
            )
        )
        .with_panel(
            curve(
                "Clocks",
                "What the clock of the gateway lacks, and by how much the time in signatures is ahead of it",
                "s",
                GOOD,
                (f"tse_gateway_clock_offset_seconds{{{_OF}}}", "gateway {{instance}}"),
                (f"tse_clock_offset_seconds{{{_TSE}}}", _SHORT),
                signed=True,
            )
        )
        .with_panel(
            answer(
                "Host's clock is kept right",
                "Does the kernel say so? If not, the gateway asks time servers before it sets the time of a TSE",
                f"tse_gateway_host_clock_synchronized{{{_OF}}}",
                "{{instance}}",
                span=8,
            )
        )
        .with_panel(
            number(
                "Hung threads",
                "USB accesses that never came back; pull that TSE or restart the host",
                f"tse_gateway_hung_threads{{{_OF}}}",
                "none",
                NO,
                "{{instance}}",
                span=8,
            )
        )
        .with_panel(
            curve(
                "Age of readings",
                "Time since each TSE was asked for its state; all other panels are as old",
                "s",
                many(30, 120),
                (f"tse_snapshot_age_seconds{{{_TSE}}}", _SHORT),
            )
        )
        .with_panel(
            listing("TSEs", "What they are", f"tse_info{{{_TSE}}}", "Value", span=16, height=6),
        )
        .with_panel(
            listing("Gateways", "Their versions", f"tse_gateway_build_info{{{_OF}}}", "Value", span=8, height=6),
        )
    )
