"""The layer pool: who serves, and whether a standby could step in."""

from typing import Any

from gateway.checks import CheckResult, Layer, fail, ok, warn
from gateway.client.api import Api, Refused
from gateway.i18n import remedies
from gateway.i18n.text import Text

_NO_POOL = "no_pool"


async def examine(api: Api, *, wanted: bool = False) -> list[CheckResult]:
    """Return the results of the pool, none without one. `wanted`: the settings name one."""
    try:
        state = await api.get("/pool")
    except Refused as refused:
        if refused.reason != _NO_POOL or not wanted:
            return []
        return [
            fail(
                Layer.POOL,
                Text("GATEWAY_POOL names no TSE that was ever here", "GATEWAY_POOL nennt keine TSE, die je hier war"),
                Text(
                    "`tse-gateway devices` shows the serials; name the beginnings of them",
                    "`tse-gateway devices` zeigt die Seriennummern; deren Anfänge nennen",
                ),
            )
        ]
    return results(state)


def results(state: dict[str, Any]) -> list[CheckResult]:
    """Return the results of a pool by what `GET /api/v1/pool` tells."""
    found = [] if state["standby_since"] is None else [_standby_serves(state["serving"])]
    standbys = [tse for tse in state["tses"] if tse["role"] == "standby"]
    for tse in standbys:
        found += _of_standby(tse)
    if not standbys:
        text = Text("the pool has no standby here", "der Pool hat hier keine Ersatz-TSE")
        remedy = Text("plug it in, or correct GATEWAY_POOL", "einstecken, oder GATEWAY_POOL berichtigen")
        found.append(warn(Layer.POOL, text, remedy))
    return found or [
        ok(Layer.POOL, Text("the primary serves, a standby could", "die Haupt-TSE ist im Dienst, Ersatz steht bereit"))
    ]


def _standby_serves(serial: str) -> CheckResult:
    return warn(
        Layer.POOL,
        Text("it serves in place of the primary", "sie ist anstelle der Haupt-TSE im Dienst"),
        remedies.STANDBY_SERVES,
        serial,
    )


def _of_standby(tse: dict[str, Any]) -> list[CheckResult]:
    found = []
    if not tse["ready"]:
        text = Text("the standby cannot sign", "die Ersatz-TSE kann nicht signieren")
        remedy = Text("see the other layers of this TSE", "siehe die anderen Ebenen dieser TSE")
        found.append(warn(Layer.POOL, text, remedy, tse["serial"]))
    if tse["missing_clients"]:
        text = Text(
            "{count} clients of the primary are not registered with the standby",
            "{count} Kassen der Haupt-TSE sind an der Ersatz-TSE nicht angemeldet",
        )
        remedy = remedies.STANDBY_LACKS_CLIENTS
        found.append(warn(Layer.POOL, text, remedy, tse["serial"], count=tse["missing_clients"]))
    return found
