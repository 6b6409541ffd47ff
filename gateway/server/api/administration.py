"""What an operator does with a TSE."""

from datetime import UTC, datetime

from pydantic import SecretStr

from gateway.access.caller import OPERATORS, TILLS_AND_OPERATORS
from gateway.archive.deletion import FullExport, NotArchived, NotExported, RestNotKept
from gateway.errors import DeviceGone, UnknownDevice
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry, PinOrPuk
from gateway.i18n.text import Text
from gateway.operations.administration import ClockNotTrusted, PukPaused
from gateway.operations.confirmations import VALID_SECONDS, Irreversible, NotConfirmed
from gateway.operations.exports import CursorInvalid
from gateway.operations.setup import NotFresh, Setup
from gateway.operations.store import StoreClosed
from gateway.server.api.endpoint import TSE, Call, Endpoint, Section
from gateway.server.api.errors import ARCHIVING, SENDING, Errors, InvalidRequest
from gateway.server.api.parameters import TseParams
from gateway.server.api.requests import (
    AdminRequest,
    ClientRequest,
    ConfirmationRequest,
    DecommissionRequest,
    DeletionRequest,
    PinChangeRequest,
    PukChangeRequest,
    SelfTestRequest,
    SetupRequest,
    ShowsPin,
    TimeRequest,
    UnblockRequest,
)
from gateway.server.api.responses import ClientList, ConfirmationToken, DeletionResult, Done, TseTime
from gateway.server.api.validation import FieldProblem
from gateway.tse.fields import Generation
from gateway.tse.pins import PinOwner

_CLIENT_NEEDED = Text(
    "is missing: a TSE of generation 1 runs the self test in the name of a registered client",
    "fehlt: eine TSE der Generation 1 führt den Selbsttest im Namen einer angemeldeten Kasse aus",
)
_WITH_PIN: Errors = (*SENDING, LastTry, KnownWrong)
_WITH_PUK: Errors = (*_WITH_PIN, PukPaused)
_IRREVERSIBLE: Errors = (*_WITH_PIN, NotConfirmed)


async def run_self_test(call: Call[TseParams, SelfTestRequest]) -> Done:
    """Run the self test; needs no PIN."""
    serial, client_id = call.params.serial, call.body.client_id
    if client_id is None and call.services.registry.find(serial).info.generation is Generation.ONE:
        raise InvalidRequest([FieldProblem("client_id", _CLIENT_NEEDED)])
    await call.services.administration.self_test(serial, (client_id or "").encode())
    return Done()


async def set_time(call: Call[TseParams, TimeRequest]) -> TseTime:
    """Set the time of the TSE by the clock of the gateway."""
    body = call.body
    moment = await call.services.administration.set_time(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.pin), trust_system_clock=body.trust_system_clock
    )
    return TseTime(time=datetime.fromtimestamp(moment, UTC))


async def list_clients(call: Call[TseParams, AdminRequest]) -> ClientList:
    """Return the registered clients."""
    body = call.body
    found = await call.services.administration.clients(call.params.serial, _shown(body, body.admin_pin))
    return ClientList(client_ids=[client.decode(errors="replace") for client in found])


async def register_client(call: Call[TseParams, ClientRequest]) -> Done:
    """Register a client; one that is registered stays so."""
    body = call.body
    await call.services.administration.register_client(
        call.params.serial, _shown(body, body.admin_pin), body.client_id.encode()
    )
    return Done()


async def deregister_client(call: Call[TseParams, ClientRequest]) -> Done:
    """Deregister a client; the TSE refuses it while it has open transactions."""
    body = call.body
    await call.services.administration.deregister_client(
        call.params.serial, _shown(body, body.admin_pin), body.client_id.encode()
    )
    return Done()


async def change_pin(call: Call[TseParams, PinChangeRequest]) -> Done:
    """Change a PIN."""
    body = call.body
    await call.services.administration.change_pin(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.old_pin), _secret(body.new_pin)
    )
    return Done()


async def change_puk(call: Call[TseParams, PukChangeRequest]) -> Done:
    """Change the PUK."""
    body = call.body
    user = None if body.user is None else PinOwner(body.user).user
    await call.services.administration.change_puk(
        call.params.serial, _shown(body, body.old_puk), _secret(body.new_puk), user
    )
    return Done()


async def unblock_pin(call: Call[TseParams, UnblockRequest]) -> Done:
    """Set a new PIN by the PUK."""
    body = call.body
    await call.services.administration.unblock(
        call.params.serial, PinOwner(body.user).user, _shown(body, body.puk), _secret(body.new_pin)
    )
    return Done()


async def create_confirmation(call: Call[TseParams, ConfirmationRequest]) -> ConfirmationToken:
    """Return the token for an irreversible action, the first of its two steps."""
    device = call.services.registry.find(call.params.serial)
    made = call.services.administration.confirmations.ask(device.serial, Irreversible(call.body.action))
    return ConfirmationToken(
        token=made.token,
        serial=made.serial,
        action=call.body.action,
        consequence=made.consequence(call.language),
        valid_seconds=VALID_SECONDS,
    )


async def set_up_tse(call: Call[TseParams, SetupRequest]) -> Done:
    """Put a fresh TSE into service."""
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


async def decommission_tse(call: Call[TseParams, DecommissionRequest]) -> Done:
    """Take the TSE out of service for good."""
    body = call.body
    await call.services.administration.decommission(call.params.serial, _shown(body, body.admin_pin), body.confirmation)
    return Done()


async def delete_stored_data(call: Call[TseParams, DeletionRequest]) -> DeletionResult:
    """Delete the log messages in the TSE if the archive holds them, verified."""
    body = call.body
    export = None if body.export is None else FullExport(body.export.cursor, body.export.sha256)
    pin = _shown(body, body.admin_pin)
    kept = await call.services.deletion.delete(call.params.serial, pin, body.confirmation, export)
    return DeletionResult(
        archive_series=kept.series, rest_file=kept.last_file, complete_up_to_counter=kept.last_counter
    )


def _shown(body: ShowsPin, value: SecretStr) -> PinOrPuk:
    return PinOrPuk(_secret(value), body.risk_lockout)


def _secret(value: SecretStr) -> bytes:
    return value.get_secret_value().encode()


SECTION = Section(
    "Administration",
    "What an operator does with a TSE. PINs and PUKs stand in bodies only, and the gateway keeps none of them.",
    (
        Endpoint(
            "POST",
            f"{TSE}/self-test",
            TILLS_AND_OPERATORS,
            run_self_test,
            "Run the self test",
            "Takes up to a minute; needs no PIN, and in generation 1 a registered client.",
            SENDING,
        ),
        Endpoint(
            "POST",
            f"{TSE}/time",
            OPERATORS,
            set_time,
            "Set the time of a TSE",
            "Sets it to the time of the gateway; costs signatures for login, time and logout.",
            (*_WITH_PIN, ClockNotTrusted),
        ),
        Endpoint(
            "POST",
            f"{TSE}/clients/list",
            OPERATORS,
            list_clients,
            "List the registered clients",
            "A POST, since the TSE asks for the PIN of its Admin; costs two signatures.",
            _WITH_PIN,
        ),
        Endpoint(
            "POST",
            f"{TSE}/clients/register",
            OPERATORS,
            register_client,
            "Register a client",
            "A client that is registered already stays so.",
            _WITH_PIN,
        ),
        Endpoint(
            "POST",
            f"{TSE}/clients/deregister",
            OPERATORS,
            deregister_client,
            "Deregister a client",
            "The TSE refuses it while the client has open transactions.",
            _WITH_PIN,
        ),
        Endpoint(
            "POST",
            f"{TSE}/pin",
            OPERATORS,
            change_pin,
            "Change a PIN",
            "Three wrong PINs block it until the PUK unblocks it.",
            _WITH_PIN,
        ),
        Endpoint(
            "POST",
            f"{TSE}/puk",
            OPERATORS,
            change_puk,
            "Change the PUK",
            "In generation 1 one PUK serves both users, and three wrong PUKs end the administration of the TSE for "
            "ever. In generation 2 each user has one, and after a wrong PUK the TSE takes none for a while.",
            _WITH_PUK,
        ),
        Endpoint(
            "POST",
            f"{TSE}/unblock",
            OPERATORS,
            unblock_pin,
            "Set a new PIN by the PUK",
            "For a PIN that is blocked or forgotten. Three wrong PUKs end the administration of a TSE of generation 1 "
            "for ever; one of generation 2 takes no PUK for a while after a wrong one.",
            _WITH_PUK,
        ),
        Endpoint(
            "POST",
            f"{TSE}/confirmations",
            OPERATORS,
            create_confirmation,
            "Ask for the confirmation of an irreversible action",
            "The first of two steps: show the consequence to whoever decides, then send the token with the action.",
            (UnknownDevice, DeviceGone),
        ),
        Endpoint(
            "POST",
            f"{TSE}/setup",
            OPERATORS,
            set_up_tse,
            "Put a fresh TSE into service",
            "Sets PUK and PINs, runs the self test, sets the time and registers clients. Needs a confirmation of "
            "`setup`.",
            (*_IRREVERSIBLE, NotFresh, ClockNotTrusted, PukPaused),
        ),
        Endpoint(
            "POST",
            f"{TSE}/decommission",
            OPERATORS,
            decommission_tse,
            "Take a TSE out of service for good",
            "It never signs again. Needs a confirmation of `decommission`.",
            _IRREVERSIBLE,
        ),
        Endpoint(
            "POST",
            f"{TSE}/delete-stored-data",
            OPERATORS,
            delete_stored_data,
            "Delete the log messages in a TSE",
            "Brings the archive up to date first; unless that is whole and verified nothing is deleted. Needs a "
            "confirmation of `delete_stored_data`.",
            (*_IRREVERSIBLE, StoreClosed, NotExported, CursorInvalid, RestNotKept, NotArchived, *ARCHIVING),
        ),
    ),
)
