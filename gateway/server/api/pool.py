"""TSEs that stand in for each other: signing with the one that serves, and which one that is."""

from datetime import UTC, datetime
from typing import Any

from gateway.access.caller import EVERYBODY, OPERATORS, TILLS
from gateway.fleet.pool import CannotServe, NoPool
from gateway.fleet.status.readiness import lack
from gateway.operations.pool_signing import BegunElsewhere
from gateway.operations.receipt import Action
from gateway.server.api import transactions
from gateway.server.api.endpoint import BASE, Call, Endpoint, Section
from gateway.server.api.parameters import NoParams, PoolParams
from gateway.server.api.pool_models import PoolState, PoolTse, PoolUse
from gateway.server.api.requests import NoBody, SignRequest
from gateway.server.api.responses import SignedReceipt
from gateway.server.http.callers import caller_of


async def sign_in_pool(call: Call[PoolParams, SignRequest]) -> SignedReceipt:
    """Start and finish a transaction on the TSE that serves; a key goes on where it was begun."""
    signing = call.services.pool_signing
    serial = signing.serial_for(call.key)
    caller_of(call.request).check_tse(serial)
    call.request.match_info["serial"] = serial  # for the log and the outages
    with signing.telling(call.key, serial):
        return await transactions.sign(call, Action.SIGN, serial)


async def get_pool(call: Call[NoParams, NoBody]) -> PoolState:
    """Return who serves, and who could."""
    return _state(call)


async def use_in_pool(call: Call[NoParams, PoolUse]) -> PoolState:
    """Let a TSE serve because an operator says so."""
    serial = call.services.whole_serial(call.body.serial).upper()
    caller_of(call.request).check_tse(serial)
    call.request.match_info["serial"] = serial  # for the audit log
    await call.services.pool.use(serial)
    return _state(call)


def _state(call: Call[Any, Any]) -> PoolState:
    pool, caller = call.services.pool, caller_of(call.request)
    ready = {device.serial for device in call.services.registry.devices() if not lack(device)}
    since = pool.standby_since
    return PoolState(
        serving=pool.serving,
        standby_since=None if since is None else datetime.fromtimestamp(since, UTC).replace(microsecond=0),
        after_seconds=pool.after,
        tses=[
            PoolTse(
                serial=member.serial,
                role=member.role.value,
                serves=member.serves,
                ready=member.serial in ready,
                missing_clients=member.missing_clients,
            )
            for member in pool.members
            if caller.may_use(member.serial)
        ],
    )


SECTION = Section(
    "Pool",
    "TSEs that stand in for each other.",
    (
        Endpoint(
            "POST",
            f"{BASE}/sign",
            TILLS,
            sign_in_pool,
            "Sign a whole receipt with the TSE of the pool that serves",
            "As with a named TSE; `tse_serial` of the response tells which one has signed. A key is never signed by "
            "two TSEs: it goes on where it was begun.",
            (*transactions.CHECKED, NoPool, BegunElsewhere),
            keyed=True,
        ),
        Endpoint(
            "GET",
            f"{BASE}/pool",
            EVERYBODY,
            get_pool,
            "Get who serves for the pool",
            "Primary and standbys, and whether they could serve. No TSE is asked.",
            (NoPool,),
        ),
        Endpoint(
            "POST",
            f"{BASE}/pool/use",
            OPERATORS,
            use_in_pool,
            "Let a TSE of the pool serve",
            "The primary, to go back from a standby; without this the next night goes back. Transactions that are open "
            "can still be finished where they were begun.",
            (NoPool, CannotServe),
        ),
    ),
)
