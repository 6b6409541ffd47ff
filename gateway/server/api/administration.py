"""Handlers of the JSON API: what an operator does with a TSE."""

from datetime import UTC, datetime

from pydantic import SecretStr

from gateway.archive.deletion import FullExport
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.operations.confirmations import VALID_SECONDS
from gateway.operations.setup import Setup
from gateway.server.api.endpoint import Call
from gateway.server.api.requests import (
    AdminBody,
    ClientBody,
    ConfirmationBody,
    DecommissionBody,
    DeletionBody,
    OfTse,
    PinBody,
    PukBody,
    SelfTestBody,
    SetupBody,
    ShowsPin,
    TimeBody,
    UnblockBody,
)
from gateway.server.api.responses import Clients, ConfirmationAnswer, Deleted, Done, TimeSet
from gateway.tse.pins import PinOwner


async def run_self_test(call: Call[OfTse, SelfTestBody]) -> Done:
    """Run by a registered client; needs no PIN."""
    await call.services.administration.self_test(call.params.serial, call.body.client_id.encode())
    return Done()


async def set_time(call: Call[OfTse, TimeBody]) -> TimeSet:
    """By the clock of the gateway."""
    body = call.body
    moment = await call.services.administration.set_time(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.pin), trust_system_clock=body.trust_system_clock
    )
    return TimeSet(time=datetime.fromtimestamp(moment, UTC))


async def list_clients(call: Call[OfTse, AdminBody]) -> Clients:
    """All registered ones."""
    body = call.body
    found = await call.services.administration.clients(call.params.serial, _shown(body, body.admin_pin))
    return Clients(client_ids=[client.decode(errors="replace") for client in found])


async def register_client(call: Call[OfTse, ClientBody]) -> Done:
    """Once more does no harm."""
    body = call.body
    await call.services.administration.register_client(
        call.params.serial, _shown(body, body.admin_pin), body.client_id.encode()
    )
    return Done()


async def deregister_client(call: Call[OfTse, ClientBody]) -> Done:
    """Refused while it has open transactions."""
    body = call.body
    await call.services.administration.deregister_client(
        call.params.serial, _shown(body, body.admin_pin), body.client_id.encode()
    )
    return Done()


async def change_pin(call: Call[OfTse, PinBody]) -> Done:
    """By who knows the old one."""
    body = call.body
    await call.services.administration.change_pin(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.old_pin), _secret(body.new_pin)
    )
    return Done()


async def change_puk(call: Call[OfTse, PukBody]) -> Done:
    """One PUK serves both users."""
    body = call.body
    await call.services.administration.change_puk(call.params.serial, _shown(body, body.old_puk), _secret(body.new_puk))
    return Done()


async def unblock_pin(call: Call[OfTse, UnblockBody]) -> Done:
    """A new PIN by the PUK."""
    body = call.body
    await call.services.administration.unblock(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.puk), _secret(body.new_pin)
    )
    return Done()


async def ask_confirmation(call: Call[OfTse, ConfirmationBody]) -> ConfirmationAnswer:
    """The first of two steps."""
    device = call.services.registry.find(call.params.serial)
    made = call.services.administration.confirmations.ask(device.serial, call.body.action)
    return ConfirmationAnswer(
        token=made.token,
        serial=made.serial,
        action=made.action,
        consequence=made.consequence,
        valid_seconds=VALID_SECONDS,
    )


async def set_up(call: Call[OfTse, SetupBody]) -> Done:
    """From the factory to ready for sales."""
    body = call.body
    given = Setup(
        seed=_secret(body.credential_seed),
        admin_puk=_secret(body.admin_puk),
        admin_pin=_secret(body.admin_pin),
        time_admin_pin=_secret(body.time_admin_pin),
        client_ids=tuple(client.encode() for client in body.client_ids),
        trust_system_clock=body.trust_system_clock,
        risk_lockout=body.risk_lockout,
    )
    await call.services.administration.set_up(call.params.serial, given, body.confirmation)
    return Done()


async def decommission(call: Call[OfTse, DecommissionBody]) -> Done:
    """For good."""
    body = call.body
    await call.services.administration.decommission(call.params.serial, _shown(body, body.admin_pin), body.confirmation)
    return Done()


async def delete_stored_data(call: Call[OfTse, DeletionBody]) -> Deleted:
    """Only what the archive holds, verified."""
    body = call.body
    export = None if body.export is None else FullExport(body.export.cursor, body.export.sha256)
    pin = _shown(body, body.admin_pin)
    kept = await call.services.deletion.delete(call.params.serial, pin, body.confirmation, export)
    return Deleted(archive_series=kept.series, rest_file=kept.last_file, complete_up_to_counter=kept.last_counter)


def _shown(body: ShowsPin, value: SecretStr) -> PinOrPuk:
    return PinOrPuk(_secret(value), body.risk_lockout)


def _secret(value: SecretStr) -> bytes:
    return value.get_secret_value().encode()
