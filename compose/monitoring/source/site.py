"""Dashboard "TSE site": one gateway. Is everything signing, how long do tills wait, what runs out when?"""

from grafana_foundation_sdk.builders import dashboard

from compose.monitoring.source.matchers import AT, DAY, GATEWAY, SHORT, TSE
from compose.monitoring.source.panels import GOOD, alerts, answer, board, curve, listing, many, number, variable
from compose.monitoring.source.site_ending import ending
from compose.monitoring.source.site_gateway import gateway, outages


def site() -> dashboard.Dashboard:
    """Return the whole dashboard."""
    made = board("TSE site", "tse-site", "One TSE gateway: is it signing, do tills wait, what runs out when?", "1m")
    made = made.with_variable(
        variable("instance", "Gateway", 'label_values(tse_gateway_build_info{site=~"$site"}, instance)')
    ).with_variable(variable("serial", "TSE", f"label_values(tse_info{{{AT}}}, serial)"))
    for rows in (_signing, _waiting, ending, _tills, outages, gateway):
        made = rows(made)
    return made


def _signing(made: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        made.with_row(dashboard.Row("Can tills sign?"))
        .with_panel(alerts(AT))
        .with_panel(answer("Can sign", "Each TSE: would a signature work now?", f"tse_ready{{{TSE}}}", SHORT, span=6))
        .with_panel(
            answer("Answers", "Each TSE: is it plugged in, and does it answer?", f"tse_up{{{TSE}}}", SHORT, span=6)
        )
        .with_panel(
            listing(
                "Why not",
                "What keeps a TSE from signing; empty when all can",
                f"tse_not_ready{{{TSE}}} == 1",
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
                (f'rate(tse_signatures_total{{{TSE}, cause="sale"}}[5m]) * 60', SHORT),
                span=12,
            )
        )
        .with_panel(curve("Ready", "1 while the TSE can sign", "none", GOOD, (f"tse_ready{{{TSE}}}", SHORT), span=12))
    )


def _waiting(made: dashboard.Dashboard) -> dashboard.Dashboard:
    signing = f'rate(tse_command_duration_seconds_bucket{{{TSE}, command="sign"}}[$__rate_interval])'
    locks = f"rate(tse_gateway_lock_wait_seconds_bucket{{{TSE}}}[$__rate_interval])"
    held = f"time() - (tse_gateway_lock_held_since_timestamp_seconds{{{TSE}}} > 0)"
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
                (f"tse_gateway_lock_waiting{{{TSE}}}", "lock {{tse}}"),
                (f"tse_queue_depth{{{TSE}}}", "turn {{tse}}"),
            )
        )
        .with_panel(
            curve("Lock held", "For how long the present holder has the TSE", "s", many(60, 120), (held, SHORT))
        )
        .with_panel(
            curve(
                "Refused",
                "Requests that ended with an error, by its name",
                "short",
                many(1, 10),
                (f"sum by (error) (increase(tse_gateway_refused_requests_total{{{GATEWAY}}}[5m]))", "{{error}}"),
                (f"sum(increase(tse_gateway_lock_refused_total{{{TSE}}}[5m]))", "waited in vain"),
            )
        )
        .with_panel(
            curve(
                "Answered from memory",
                "Requests that tills sent again, and locks taken from silent or lost tills",
                "short",
                GOOD,
                (f"sum by (kind) (increase(tse_gateway_replayed_total{{{TSE}}}[5m]))", "{{kind}}"),
                (f"sum by (reason) (increase(tse_gateway_lock_expired_total{{{TSE}}}[5m]))", "lock: {{reason}}"),
            )
        )
    )


def _tills(made: dashboard.Dashboard) -> dashboard.Dashboard:
    receipts = f"increase(tse_client_receipts_total{{{TSE}}}[1h])"
    silent = f"time() - max by (instance, client) (tse_client_last_seen_timestamp_seconds{{{TSE}}})"
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
                many(3 * DAY, 5 * DAY),
                "{{client}}",
                span=12,
                height=7,
            )
        )
    )
