"""Rows of "TSE site": outages, and the gateway itself."""

from grafana_foundation_sdk.builders import dashboard

from compose.monitoring.source.matchers import GATEWAY, SHORT, TSE
from compose.monitoring.source.panels import GOOD, NO, answer, curve, listing, many, number


def outages(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add what failed, and how often."""
    return (
        made.with_row(dashboard.Row("Outages"))
        .with_panel(
            curve(
                "Outages",
                "Length of outages in each hour, by reason",
                "s",
                NO,
                (f"sum by (reason) (increase(tse_outage_seconds_total{{{TSE}}}[1h])) > 0", "{{reason}}"),
                (f"sum by (reason) (increase(tse_gateway_downtime_seconds_total{{{GATEWAY}}}[1h])) > 0", "{{reason}}"),
            )
        )
        .with_panel(
            curve(
                "Refused by outages",
                "Requests of tills that an outage refused, in each hour",
                "short",
                NO,
                (f"increase(tse_outage_refused_requests_total{{{TSE}}}[1h])", SHORT),
            )
        )
        .with_panel(
            curve(
                "Lost",
                "Times that the TSE was lost, by what happened; the gateway opens it again by itself",
                "short",
                NO,
                (f"sum by (reason) (increase(tse_lost_total{{{TSE}}}[1h])) > 0", "{{reason}}"),
            )
        )
        .with_panel(
            curve(
                "Upkeep",
                "Self tests and settings of the time by the gateway",
                "short",
                GOOD,
                (f"sum by (duty, result) (increase(tse_upkeep_runs_total{{{TSE}}}[1h]))", "{{duty}}: {{result}}"),
            )
        )
        .with_panel(
            curve(
                "Commands that failed",
                "By what the TSE said",
                "short",
                NO,
                (
                    f'sum by (command, result) (increase(tse_commands_total{{{TSE}, result!="ok"}}[5m]))',
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
                (f"sum by (outcome) (increase(tse_lost_signatures_total{{{TSE}}}[1h]))", "{{outcome}}"),
            )
        )
    )


def gateway(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add requests, memory, clocks and versions."""
    answered = f"rate(tse_gateway_http_request_duration_seconds_bucket{{{GATEWAY}}}[$__rate_interval])"
    return (
        made.with_row(dashboard.Row("The gateway"))
        .with_panel(
            curve(
                "Requests",
                "Answers in a second, by status",
                "reqps",
                GOOD,
                (
                    f"sum by (status) (rate(tse_gateway_http_requests_total{{{GATEWAY}}}[$__rate_interval]))",
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
                    f"sum by (instance, reason) (increase(tse_gateway_auth_failures_total{{{GATEWAY}}}[10m]))",
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
                (f"process_resident_memory_bytes{{{GATEWAY}}}", "{{instance}}"),
            )
        )
        .with_panel(
            curve(
                "Processor",
                "Share of one core",
                "percentunit",
                many(0.5, 0.9),
                (f"rate(process_cpu_seconds_total{{{GATEWAY}}}[$__rate_interval])", "{{instance}}"),
            )
        )
        .with_panel(
            curve(
                "Clocks",
                "What the clock of the gateway lacks, and by how much the time in signatures is ahead of it",
                "s",
                GOOD,
                (f"tse_gateway_clock_offset_seconds{{{GATEWAY}}}", "gateway {{instance}}"),
                (f"tse_clock_offset_seconds{{{TSE}}}", SHORT),
                signed=True,
            )
        )
        .with_panel(
            answer(
                "Host's clock is kept right",
                "Does the kernel say so? If not, the gateway asks time servers before it sets the time of a TSE",
                f"tse_gateway_host_clock_synchronized{{{GATEWAY}}}",
                "{{instance}}",
                span=8,
            )
        )
        .with_panel(
            number(
                "Hung threads",
                "USB accesses that never came back; pull that TSE or restart the host",
                f"tse_gateway_hung_threads{{{GATEWAY}}}",
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
                (f"tse_snapshot_age_seconds{{{TSE}}}", SHORT),
            )
        )
        .with_panel(
            listing("TSEs", "What they are", f"tse_info{{{TSE}}}", "Value", span=16, height=6),
        )
        .with_panel(
            listing("Gateways", "Their versions", f"tse_gateway_build_info{{{GATEWAY}}}", "Value", span=8, height=6),
        )
    )
