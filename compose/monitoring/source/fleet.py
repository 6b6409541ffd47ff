"""Dashboard "TSE fleet": hundreds of sites. Who is down, whose TSE ends next, which versions, who is slow?"""

from grafana_foundation_sdk.builders import dashboard

from compose.monitoring.source.matchers import AT, DAY
from compose.monitoring.source.panels import (
    GOOD,
    NO,
    YES,
    alerts,
    board,
    curve,
    few,
    listing,
    many,
    number,
    overview,
)
from gateway import limits


def fleet() -> dashboard.Dashboard:
    """Return the whole dashboard."""
    made = board("TSE fleet", "tse-fleet", "All TSE gateways: who is down, whose TSE ends next, who is slow?", "5m")
    for rows in (_now, _tses, _next, _history):
        made = rows(made)
    return made


def _now(made: dashboard.Dashboard) -> dashboard.Dashboard:
    down = f'tse_up{{{AT}}} == 0 unless on (site, serial) tse_state{{state="initialized"}} == 0'
    lacking = f'tse_not_ready{{{AT}, reason!~"not_set_up|decommissioned"}} == 1'
    left = f"tse_certificate_expiry_timestamp_seconds{{{AT}}} - time()"
    soon = f"count({left} < {limits.CERTIFICATE_LEFT.warning:.0f}) or vector(0)"
    return (
        made.with_row(dashboard.Row("Now"))
        .with_panel(
            number("Gateways", "That answer", f"count(tse_gateway_build_info{{{AT}}}) or vector(0)", "none", GOOD)
        )
        .with_panel(
            number(
                "Sites missing",
                "That were there within a week",
                f"count(site:tse_gateway_up:bool{{{AT}}} == 0) or vector(0)",
                "none",
                NO,
            )
        )
        .with_panel(number("TSEs", "That the gateways know", f"count(tse_up{{{AT}}}) or vector(0)", "none", GOOD))
        .with_panel(
            number("TSEs down", "In service, but unplugged or not answering", f"count({down}) or vector(0)", "none", NO)
        )
        .with_panel(
            number(
                "TSEs that cannot sign",
                "In service, for whatever reason",
                f"count({lacking}) or vector(0)",
                "none",
                NO,
            )
        )
        .with_panel(number("Certificates end soon", "Within 180 days", soon, "none", NO))
        .with_panel(alerts(AT))
        .with_panel(
            listing(
                "Who is missing",
                "Sites without a gateway, and gateways that Prometheus cannot reach; empty when all answer",
                f'site:tse_gateway_up:bool{{{AT}}} == 0 or up{{component="tse-gateway", {AT}}} == 0',
                "Value",
                span=8,
            )
        )
        .with_panel(
            listing(
                "Who cannot sign, and why",
                "TSEs in service; empty when all can",
                lacking,
                "Value",
                span=8,
            )
        )
        .with_panel(
            listing(
                "Open outages",
                "As the outage logs of the gateways know them",
                f"tse_outage_active{{{AT}}} == 1",
                "Value",
                span=8,
            )
        )
    )


def _tses(made: dashboard.Dashboard) -> dashboard.Dashboard:
    def of(expr: str, by: str = "serial") -> str:
        return f"max by ({by}) ({expr})"

    used, capacity = f"tse_store_used_bytes{{{AT}}}", f"tse_store_capacity_bytes{{{AT}}}"
    signed, most = f"tse_signatures_used{{{AT}}}", f"tse_signatures_max{{{AT}}}"
    return made.with_row(dashboard.Row("Each TSE")).with_panel(
        overview(
            "TSEs",
            "A row for each; click on a head to sort",
            ("Can sign", of(f"tse_ready{{{AT}}}", "site, serial"), "bool_yes_no", YES),
            (
                "Certificate ends in",
                of(f"tse_certificate_expiry_timestamp_seconds{{{AT}}} - time()"),
                "s",
                few(*limits.CERTIFICATE_LEFT),
            ),
            ("Signatures left", of(f"1 - {signed} / {most}"), "percentunit", few(*limits.SIGNATURES_LEFT)),
            ("Store", of(f"{used} / {capacity}"), "percentunit", many(*limits.STORE_USED)),
            ("Next self test", of(f"tse_self_test_due_seconds{{{AT}}}"), "s", few(*limits.SELF_TEST_DUE)),
            (
                "Signed in 24 h",
                of(f'sum_over_time(site_serial:tse_signatures:increase1h{{{AT}, cause="sale"}}[24h])'),
                "short",
                GOOD,
            ),
            (
                "Time to sign (95 %)",
                of(f"site_serial:tse_sign_seconds:p95{{{AT}}}"),
                "s",
                many(0.5, 1),
            ),
            ("Wait (95 %)", of(f"site_serial:tse_lock_wait_seconds:p95{{{AT}}}"), "s", many(1, 3)),
            (
                "Outages in 30 days",
                of(f"sum_over_time(site_serial:tse_outage_seconds:increase1h{{{AT}}}[30d])"),
                "s",
                many(60, 3600),
            ),
            ("Archive", of(f"tse_gateway_archive_age_seconds{{{AT}}}"), "s", many(*limits.ARCHIVE_AGE)),
            ("Tills", of(f"tse_registered_clients{{{AT}}}"), "none", GOOD),
            ("", of(f"tse_info{{{AT}}}", "serial, software_version, place"), "none", GOOD),
        )
    )


def _next(made: dashboard.Dashboard) -> dashboard.Dashboard:
    ends = f"tse_certificate_expiry_timestamp_seconds{{{AT}}} - time()"
    left = f"1 - tse_signatures_used{{{AT}}} / tse_signatures_max{{{AT}}}"
    full = f"tse_store_used_bytes{{{AT}}} / tse_store_capacity_bytes{{{AT}}}"
    room = f"max by (site, serial) (tse_store_capacity_bytes{{{AT}}} - tse_store_used_bytes{{{AT}}})"
    unsigned = f"max by (site, serial) (tse_signatures_max{{{AT}}} - tse_signatures_used{{{AT}}})"
    return (
        made.with_row(dashboard.Row("Who is next?"))
        .with_panel(
            number(
                "Certificates",
                "The five that end first",
                f"bottomk(5, {ends})",
                "s",
                few(*limits.CERTIFICATE_LEFT),
                "{{site}} {{tse}}",
                span=8,
            )
        )
        .with_panel(
            number(
                "Signatures",
                "The five with the fewest left",
                f"bottomk(5, {left})",
                "percentunit",
                few(*limits.SIGNATURES_LEFT),
                "{{site}} {{tse}}",
                span=8,
            )
        )
        .with_panel(
            number(
                "Stores",
                "The five that are fullest",
                f"topk(5, {full})",
                "percentunit",
                many(*limits.STORE_USED),
                "{{site}} {{tse}}",
                span=8,
            )
        )
        .with_panel(
            number(
                "Stores full",
                "The five that are full first, at the pace of the last week",
                f"bottomk(5, {room} / (deriv(site_serial:tse_store_used_bytes:max{{{AT}}}[7d]) > 0))",
                "s",
                few(90 * DAY, 14 * DAY),
                "{{site}} {{tse}}",
                span=12,
            )
        )
        .with_panel(
            number(
                "Signatures used up",
                "The five that sign their last first, at the pace of the last week",
                f"bottomk(5, {unsigned} / (deriv(site_serial:tse_signatures_used:max{{{AT}}}[7d]) > 0))",
                "s",
                few(365 * DAY, 180 * DAY),
                "{{site}} {{tse}}",
                span=12,
            )
        )
        .with_panel(
            listing(
                "Versions of the gateway",
                "How many run which",
                f"count by (version) (tse_gateway_build_info{{{AT}}})",
                span=8,
            )
        )
        .with_panel(
            listing(
                "Firmware",
                "How many TSEs have which",
                f"count by (software_version, form_factor) (tse_info{{{AT}}})",
                span=8,
            )
        )
        .with_panel(
            listing(
                "Settings",
                "How many gateways share which",
                f"count by (hash) (tse_gateway_config_info{{{AT}}})",
                span=8,
            )
        )
    )


def _history(made: dashboard.Dashboard) -> dashboard.Dashboard:
    outages = f"site_serial:tse_outage_seconds:increase1h{{{AT}}}"
    return (
        made.with_row(dashboard.Row("Over time"))
        .with_panel(
            curve(
                "Outages",
                "Length of outages in each hour, by site",
                "s",
                NO,
                (
                    f"topk(10, sum by (site) (last_over_time({outages}[1h])) > 0)",
                    "{{site}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Slowest TSEs",
                "The ten where signing takes longest (95 %)",
                "s",
                many(0.5, 1),
                (
                    f"topk(10, site_serial:tse_sign_seconds:p95{{{AT}}})",
                    "{{site}} {{tse}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Longest waits",
                "The ten where tills wait longest for the TSE (95 %)",
                "s",
                many(1, 3),
                (
                    f"topk(10, site_serial:tse_lock_wait_seconds:p95{{{AT}}})",
                    "{{site}} {{tse}}",
                ),
            )
        )
        .with_panel(
            curve(
                "Receipts",
                "Messages signed in a minute, all TSEs",
                "short",
                GOOD,
                (f'sum(rate(tse_signatures_total{{{AT}, cause="sale"}}[5m])) * 60', "all"),
                span=12,
            )
        )
        .with_panel(
            curve(
                "Can sign",
                "TSEs that can, and all that are known",
                "none",
                GOOD,
                (f"sum(tse_gateway_tses_ready{{{AT}}})", "can sign"),
                (f"sum(tse_gateway_tses{{{AT}}})", "known"),
                span=12,
            )
        )
    )
