"""What passes through to a TSE teaches: a client id it knows, who is logged in, how many PIN tries are left."""

import time
from contextlib import suppress

from gateway.errors import ProtocolError
from gateway.fleet.commands import deeds
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import Notes
from gateway.fleet.pins.retry_guard import PUK, Lockout, shown
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.metrics.upkeep import User as Owner
from gateway.tse.commands import (
    DeregisterClient,
    HealthReply,
    Login,
    Logout,
    OpenImport,
    SelfTest,
    SetTime,
    UnblockPin,
    User,
    parse,
)
from gateway.tse.fields import Command
from gateway.tse.results import Result, tries_left

_NAMES: dict[int, Owner] = {PUK: "puk", User.ADMIN: "admin", User.TIME_ADMIN: "time_admin"}


class Witness:
    """Of one TSE. `logged_in` are the users whose login went through the gateway and whose logout did not."""

    def __init__(self, serial: str, notes: Notes, guard: LoginGuard, lockout: Lockout, metrics: Metrics) -> None:
        self._serial = serial
        self._notes = notes
        self._guard = guard
        self._lockout = lockout
        self._metrics = metrics
        self.logged_in: set[int] = set()
        self.health: HealthReply | None = None
        self.health_seen = 0.0  # Unix seconds
        for user, left in notes.note.tries.items():
            self._show_tries(user, left)

    @property
    def tries_left(self) -> dict[str, int]:
        """By user (and "puk"): only of those whose PIN was wrong since it was last right."""
        return {_NAMES[user]: left for user, left in self._notes.note.tries.items() if user in _NAMES}

    async def saw(self, raw: bytes, result: int) -> None:
        """A command ended with `result`, 0 if it was carried out."""
        try:
            command = parse(raw)
        except ProtocolError:
            return
        found = shown(command)
        secret = None if found is None else found[0]
        if secret is not None:
            await self._saw_secret(command, secret, result)
        deeds.tell(self._serial, command, result, "" if secret is None else _NAMES.get(secret, ""))
        if result == Result.OK:
            await self._saw_done(command)
        elif isinstance(command, Logout) and result == Result.USER_NOT_LOGGED_IN:
            self.logged_in.discard(command.user)

    def saw_health(self, reply: bytes) -> None:
        """The TSE told the state of its flash memory."""
        with suppress(ProtocolError):  # whoever asked gets to see it
            self.health, self.health_seen = HealthReply.decode(reply), time.time()

    async def forget_client(self, client_id: bytes) -> None:
        """The TSE does not know it any more."""
        if client_id == self._notes.note.client_id.encode("latin-1"):
            await self._notes.try_to_write(client_id="")

    async def _saw_done(self, command: Command) -> None:
        match command:
            case Login(user=user):
                self.logged_in.add(user)
            case Logout(user=user):
                self.logged_in.discard(user)
            case SetTime():
                self._metrics.upkeep.done(self._serial, "set_time")
            case SelfTest(client_id=client_id) | OpenImport(client_id=client_id):
                if isinstance(command, SelfTest):
                    self._metrics.upkeep.done(self._serial, "self_test")
                # The first is as good as any later one, and writing it once spares the disk.
                if not self._notes.note.client_id:
                    await self._notes.try_to_write(client_id=client_id.decode("latin-1"))
            case DeregisterClient(client_id=client_id):
                self._metrics.clients.gone(self._serial, client_id)
                await self.forget_client(client_id)
            case _:
                pass

    async def _saw_secret(self, command: Command, secret: int, result: int) -> None:
        left = tries_left(result)
        if left is None and result != Result.OK:
            return  # the TSE did not come to look at it
        tries = {user: known for user, known in self._notes.note.tries.items() if user != secret}
        if left is not None:
            tries[secret] = left
        elif isinstance(command, UnblockPin):
            tries.pop(command.user, None)
            self._show_tries(command.user, None)
        self._show_tries(secret, left)
        await self._notes.try_to_write(tries=tries)
        if result == Result.OK:
            self._lockout.accepted(command)
            await self._guard.accepted(command)
        elif result != Result.PIN_BLOCKED:  # which says nothing of this one
            self._lockout.refused(command)

    def _show_tries(self, user: int, left: int | None) -> None:
        if user in _NAMES:
            self._metrics.upkeep.pin_tries(self._serial, _NAMES[user], left)
