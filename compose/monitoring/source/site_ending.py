"""Rows of "TSE site": what runs out when?"""

from grafana_foundation_sdk.builders import dashboard

from compose.monitoring.source.matchers import DAY, GATEWAY, SHORT, TSE
from compose.monitoring.source.panels import GOOD, NO, answer, few, many, number
from gateway import limits


def ending(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add what runs out, and when, at the pace of the last week."""
    left = f"1 - tse_signatures_used{{{TSE}}} / tse_signatures_max{{{TSE}}}"
    full = f"tse_store_used_bytes{{{TSE}}} / tse_store_capacity_bytes{{{TSE}}}"
    room = f"max by (site, serial) (tse_store_capacity_bytes{{{TSE}}} - tse_store_used_bytes{{{TSE}}})"
    unsigned = f"max by (site, serial) (tse_signatures_max{{{TSE}}} - tse_signatures_used{{{TSE}}})"
    weeks = few(*limits.CERTIFICATE_LEFT)
    return (
        made.with_row(dashboard.Row("What runs out when?"))
        .with_panel(
            number(
                "Certificate of the TSE",
                "Time until the TSE must be replaced",
                f"tse_certificate_expiry_timestamp_seconds{{{TSE}}} - time()",
                "s",
                weeks,
                SHORT,
            )
        )
        .with_panel(
            number(
                "Certificate of the product",
                "Time until the BSI's certificate of the product ends; empty if the gateway does not know it",
                f"tse_product_certificate_expiry_timestamp_seconds{{{TSE}}} - time()",
                "s",
                weeks,
                SHORT,
            )
        )
        .with_panel(
            number(
                "Signatures left",
                "Share of all that it can make",
                left,
                "percentunit",
                few(*limits.SIGNATURES_LEFT),
                SHORT,
            )
        )
        .with_panel(
            number("Store", "How full it is; the TSE's own word", full, "percentunit", many(*limits.STORE_USED), SHORT)
        )
        .with_panel(
            number(
                "Store lasts",
                "At the pace of the last week",
                f"{room} / (deriv(site_serial:tse_store_used_bytes:max{{{TSE}}}[7d]) > 0)",
                "s",
                few(90 * DAY, 14 * DAY),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Signatures last",
                "At the pace of the last week",
                f"{unsigned} / (deriv(site_serial:tse_signatures_used:max{{{TSE}}}[7d]) > 0)",
                "s",
                few(365 * DAY, 180 * DAY),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Oldest open transaction",
                "For how long it is open, as far as the gateway saw; one a day old was forgotten by its till",
                f"tse_open_transaction_oldest_age_seconds{{{TSE}}}",
                "s",
                many(3600, DAY),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Archive",
                "Time since it held everything that the TSE signed; it is brought up to date each night",
                f"tse_gateway_archive_age_seconds{{{TSE}}}",
                "s",
                many(*limits.ARCHIVE_AGE),
                SHORT,
            )
        )
        .with_panel(
            answer(
                "Archive verified",
                "Did the verifier find no error in what is archived?",
                f"tse_gateway_archive_verified{{{TSE}}}",
                SHORT,
            )
        )
        .with_panel(
            number(
                "Next self test",
                "Time until it is due; without it nothing is signed",
                f"tse_self_test_due_seconds{{{TSE}}}",
                "s",
                few(*limits.SELF_TEST_DUE),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Next setting of the time",
                "Time until it is due; without it nothing is signed",
                f"tse_time_sync_due_seconds{{{TSE}}}",
                "s",
                few(*limits.TIME_SYNC_DUE),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Tills registered",
                "Share of the tills that the TSE takes",
                f"tse_registered_clients{{{TSE}}} / tse_registered_clients_max{{{TSE}}}",
                "percentunit",
                many(*limits.CLIENTS_REGISTERED),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Open transactions",
                "Share of those that may be open at once",
                f"tse_open_transactions{{{TSE}}} / tse_open_transactions_max{{{TSE}}}",
                "percentunit",
                many(0.5, 0.9),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Flash memory",
                "Erase cycles left; the TSE is asked once a day",
                f"tse_flash_remaining_erases_ratio{{{TSE}}}",
                "percentunit",
                few(*limits.FLASH_ERASES_LEFT),
                SHORT,
            )
        )
        .with_panel(
            number(
                "Wrong PINs",
                "Tries left; empty while nobody sent a wrong one",
                f"tse_pin_tries_left{{{TSE}}}",
                "none",
                few(*limits.PIN_TRIES_LEFT),
                "{{user}} {{tse}}",
            )
        )
        .with_panel(
            number(
                "Wrong PUKs",
                "Time for which a TSE of generation 2 takes no PUK; empty while nobody sent a wrong one",
                f"tse_puk_blocked_seconds{{{TSE}}} > 0",
                "s",
                NO,
                "{{user}} {{tse}}",
            )
        )
        .with_panel(
            number(
                "TLS certificate",
                "Time until it ends; the gateway's own is renewed by itself",
                f"tse_gateway_tls_certificate_expiry_timestamp_seconds{{{GATEWAY}}} - time()",
                "s",
                few(*limits.TLS_CERTIFICATE_LEFT),
            )
        )
        .with_panel(
            number(
                "Maintenance",
                "Signatures of the last 30 days that were no receipts: log-ins, settings of the time",
                f'sum_over_time(site_serial:tse_signatures:increase1h{{{TSE}, cause="maintenance"}}[30d])',
                "short",
                GOOD,
                SHORT,
            )
        )
    )
