"""Cases for alerts of sites, of forecasts, and of gateways that move to another pod or share a Prometheus."""

from tests.monitoring.alert_cases import Case, Series, durations, gateway, steady, tse

_AN_HOUR_THEN_GONE = "1x60"
_PODS = 3  # one after the other, each for six days of hourly values
_HOURS = 6 * 24


def site(name: str, values: str, pod: str = "a") -> Series:
    return {f'tse_gateway_build_info{{site="{name}", instance="{name}-{pod}:9464", version="1"}}': values}


def sites(number: int, gone: int) -> Series:
    return {
        key: values
        for index in range(number)
        for key, values in site(f"shop-{index}", _AN_HOUR_THEN_GONE if index < gone else steady(1)).items()
    }


def up(value: int, labels: str = 'component="tse-gateway"') -> Series:
    return {f'up{{instance="shop:9464", job="my-own-name", {labels}}}': steady(value)}


def over_pods(name: str, hourly: int) -> Series:
    """A value of a TSE that grows, while its gateway is in another pod every six days."""
    found = {}
    for pod in range(_PODS):
        before = f"_x{pod * _HOURS} " if pod else ""
        values = f"{before}{pod * _HOURS * hourly}+{hourly}x{_HOURS - 1}" + f" _x{_HOURS}" * (pod < _PODS - 1)
        found[f'{name}{{serial="AB", site="Ulm", pod="gateway-{pod}", instance="10.0.0.{pod}:9464"}}'] = values
    return found


def of_site(name: str, values: str) -> Series:
    return {f'{name}{{serial="AB", site="Ulm", instance="shop:9464"}}': values}


def waits(slow: int, quick: int) -> Series:
    """Signatures in a minute: so many that were slow, so many that were not."""
    both, pace = f"0+{slow + quick}x800", f"0+{quick}x800"
    return {
        f'{name}{{serial="AB", site="Ulm"{labels}{bound}}}': values
        for name, labels, late in (
            ("tse_command_duration_seconds", ', command="sign"', pace),
            ("tse_gateway_lock_wait_seconds", "", both),
        )
        for name, bound, values in ((f"{name}_bucket", ', le="5.0"', late), (f"{name}_count", "", both))
    }


def ready(values: str, serial: str = "AB") -> Series:
    return {f'tse_ready{{serial="{serial}", site="Ulm", instance="shop:9464"}}': values}


CASES = (
    Case("SiteMissing", site("Ulm", _AN_HOUR_THEN_GONE) | site("Köln", steady(1)), site("Ulm", steady(1))),
    Case(  # the gateway moved to another pod
        "SiteMissing",
        site("Ulm", _AN_HOUR_THEN_GONE),
        site("Ulm", _AN_HOUR_THEN_GONE) | site("Ulm", "_x61 1x100", pod="b"),
    ),
    Case(  # after a week it is forgotten
        "SiteMissing",
        site("Ulm", "1x100 _x200"),
        site("Ulm", "1x20 _x300"),
        "240h",
        "1h",
    ),
    Case("SitesMissing", sites(40, gone=6), sites(40, gone=4)),
    Case("SitesMissing", sites(40, gone=40), sites(60, gone=6)),
    Case("DeadMansSwitch", {}, None, "1m"),
    Case("GatewayMissing", up(0), up(1), "6m"),
    Case("GatewayMissing", {}, up(1), "6m"),
    Case(  # other jobs of the same Prometheus are none of ours
        "GatewayMissing",
        up(0) | up(1, 'component="database"'),
        up(1) | up(0, 'component="database"'),
        "6m",
    ),
    Case(
        "TseDown",
        of_site("tse_up", steady(0)),
        of_site("tse_up", steady(0)) | {'tse_up{serial="AB", site="Ulm", instance="other:9464"}': steady(1)},
        "3m",
    ),
    Case(
        "TseSignaturesEndSoon",
        tse("tse_signatures_used", "0+10x800") | tse("tse_signatures_max", steady(40_000)),
        tse("tse_signatures_used", "0+10x800") | tse("tse_signatures_max", steady(400_000)),
        "400h",
        "1h",
    ),
    Case(  # too little is known yet
        "TseSignaturesEndSoon",
        tse("tse_signatures_used", "0+10x800") | tse("tse_signatures_max", steady(40_000)),
        tse("tse_signatures_used", "_x300 0+10x500") | tse("tse_signatures_max", steady(40_000)),
        "400h",
        "1h",
    ),
    Case(
        "TseSignaturesEndSoon",
        over_pods("tse_signatures_used", 10) | of_site("tse_signatures_max", steady(40_000)),
        over_pods("tse_signatures_used", 10) | of_site("tse_signatures_max", steady(400_000)),
        "400h",
        "1h",
    ),
    Case(
        "TseStoreFullSoon",
        tse("tse_store_used_bytes", "0+10x800") | tse("tse_store_capacity_bytes", steady(20_000)),
        tse("tse_store_used_bytes", "0+10x800") | tse("tse_store_capacity_bytes", steady(200_000)),
        "400h",
        "1h",
    ),
    Case(
        "TseStoreFullSoon",
        over_pods("tse_store_used_bytes", 10) | of_site("tse_store_capacity_bytes", steady(20_000)),
        over_pods("tse_store_used_bytes", 10) | of_site("tse_store_capacity_bytes", steady(200_000)),
        "400h",
        "1h",
    ),
    Case("SigningLate", waits(20, 80), waits(5, 95), "62m"),
    Case("SigningLate", waits(8, 92), waits(5, 95), "6h"),
    Case("SigningLateForDays", waits(2, 98), waits(0, 100), "12h"),
    Case(  # a single one in the night
        "SigningLate",
        waits(20, 80),
        gateway("tse_gateway_build_info", steady(1)) | durations("tse_command_duration_seconds", "0x90", "0x55 1x90"),
        "62m",
    ),
    Case("SiteCannotSign", ready("1x350 0x20"), ready("1x356 0x20"), "6h"),
    Case("SiteCannotSign", ready("1x350 0x20"), ready("1x330 0x8 1x50"), "6h"),  # it is over
    Case("SiteCannotSign", ready("0x100"), ready("0x100") | ready(steady(1), "CD"), "60m"),
    Case(
        "SiteCannotSign",
        ready("0x100"),
        ready("0x100") | {'tse_not_ready{serial="AB", site="Ulm", reason="not_set_up"}': steady(1)},
        "60m",
    ),
    Case("SiteCannotSignForDays", ready("1x500 0x5 1x300"), ready("1x500 0x1 1x300"), "600m"),
)
