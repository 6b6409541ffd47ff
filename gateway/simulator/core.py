"""The inside of a simulated TSE: state, session, store and key, and what all commands share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.errors import CommandRejected
from gateway.simulator import assumptions as assumed
from gateway.simulator.faults import Faults
from gateway.simulator.session import SelfTestOutcome, Session
from gateway.simulator.signing import SigningKey
from gateway.simulator.state import PersistentState, StateLog, initial_secrets
from gateway.simulator.store import StoreFiles
from gateway.tse.commands import USER_NAMES, User
from gateway.tse.credentials import initial_credentials
from gateway.tse.der import integer_element
from gateway.tse.fields import Command, Generation
from gateway.tse.info import Lifecycle, TseInfo
from gateway.tse.logmessage import LogMessage, UnsignedMessage
from gateway.tse.results import Result, explain
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END, blocks_of, member


def emptied(state: PersistentState) -> PersistentState:
    """Return `state` with nothing but the two leading members in the store."""
    leading = state.leading_blocks
    return replace(state, used_blocks=leading, acknowledged_blocks=leading, last_entry_block=state.certificate_block)


def refusal(result: int) -> CommandRejected:
    """Return the exception that answers a command with `result`."""
    return CommandRejected(result, explain(result))


@dataclass
class Core:
    """One TSE. Not thread-safe; `SimulatedTse` calls it under its lock."""

    directory: Path
    key: SigningKey
    certificates: bytes
    log: StateLog
    store: StoreFiles
    faults: Faults
    monotonic: Callable[[], float]
    durable: bool
    state: PersistentState
    session: Session = field(init=False)
    written: dict[int, bytes] = field(default_factory=dict)  # to the store, and not committed yet

    def __post_init__(self) -> None:
        self.session = Session(began=self.monotonic())

    @property
    def generation(self) -> Generation:
        """The generation, which decides on commands and log messages."""
        return Generation(self.state.generation)

    def commit(self, state: PersistentState) -> None:
        """Make `state` the state of the TSE, for good."""
        self.log.commit(state, self.written)
        self.written.clear()
        self.state = state
        if self.log.is_long:
            self.compact()

    def compact(self) -> None:
        """Write the log anew, the store before."""
        if self.durable:
            self.store.sync()
        self.log.rewrite(self.state)

    def power_cycle(self) -> None:
        """Forget the session and read back what was committed."""
        self.session = Session(began=self.monotonic())
        self.state = self.log.load()
        self.written.clear()

    def factory_reset(self) -> None:
        """Put the TSE into the state of its delivery, but for the counters: a key never signs the same number twice."""
        puks, pins = initial_secrets(initial_credentials(self.state.seed, self.key.serial, self.generation))
        fresh = replace(
            emptied(self.state),
            puks=puks,
            pins=pins,
            lifecycle=Lifecycle.UNINITIALIZED,
            ctss_enabled=self.generation is Generation.TWO,
            export_if_csp_fails=False,
            clients=(),
            open_transactions={},
            last_replies={},
        )
        self.commit(fresh)
        self.store.cut(fresh.used_blocks)
        self.session = Session(began=self.monotonic())

    # --- time ---

    def unix_time(self) -> int | None:
        """Return the time of the TSE in Unix seconds, `None` unless it is valid."""
        return self.session.unix_time(self.monotonic())

    def log_time(self) -> int:
        """Return the time for a log message: the valid one, else that of the last message."""
        now = self.unix_time()
        return self.state.last_log_time if now is None else now

    # --- standing ---

    @property
    def self_test_passed(self) -> bool:
        """Whether the self test passed and is not due again."""
        return self.session.self_test_due(self.monotonic()) > 0

    @property
    def logged_in(self) -> set[User]:
        """Who is logged in; in generation 2 nobody any more when no command came for a while."""
        idle = self.monotonic() - self.session.last_command
        if self.generation is Generation.TWO and idle >= assumed.AUTO_LOGOUT:
            self.session.logged_in.clear()
        return self.session.logged_in

    def puk_pause(self, user: User) -> float:
        """Return the seconds for which no PUK of `user` is looked at; 0 in generation 1."""
        puk = self.state.puks.get(user)
        if self.generation is Generation.ONE or puk is None or not puk.refused:
            return 0.0
        pause = min(1 << (puk.refused - 1), assumed.LONGEST_PUK_PAUSE)
        return max(0.0, self.session.puk_refused_at.get(user, self.session.began) + pause - self.monotonic())

    @property
    def ctss_active(self) -> bool:
        """Whether CTSS is enabled and takes effect, which the recorded devices let it only after the self test."""
        return self.state.ctss_enabled and self.self_test_passed

    @property
    def export_allowed_after_failure(self) -> bool:
        """Whether the self test failed and the Admin has allowed exports for that case."""
        failed = self.session.self_test is SelfTestOutcome.FAILED
        return failed and self.state.export_if_csp_fails and self.state.ctss_enabled

    @property
    def certificate_expires(self) -> int:
        """The end of the certificate in Unix seconds; in the past while the fault says so."""
        expires = self.state.certificate_expires
        return min(expires, self.log_time() - 1) if self.faults.active("expired_certificate") else expires

    # --- logs ---

    def logs(self, kind: type[Command]) -> bool:
        """Tell whether a command of this kind writes a system log now."""
        if kind not in assumed.SYSTEM_LOGS[self.generation] or self.state.lifecycle != Lifecycle.INITIALIZED:
            return False
        return kind not in assumed.NEEDS_VALID_TIME_TO_LOG or self.unix_time() is not None

    def with_system_log(
        self, state: PersistentState, kind: type[Command], *, one: bytes, two: bytes = b""
    ) -> PersistentState:
        """Write the system log of a command; return the state after it, which is not committed yet.

        The elements of its data are `one` in log version 2, of generation 1, and `two` in log version 3.
        """
        time = self.log_time()
        counter = state.signature_counter + 1
        named = assumed.SYSTEM_LOGS[self.generation][kind]
        common: dict[str, Any] = {"serial": self.key.serial, "counter": counter, "log_time": integer_element(time)}
        if self.generation is Generation.ONE:
            message = UnsignedMessage.system(operation=named, data=one, **common)
        else:
            user = next((USER_NAMES[user] for user in self.logged_in), "")
            message = UnsignedMessage.event(operation=named, origin=assumed.ORIGIN, user=user, data=two, **common)
        return self.with_log(state, message.sealed(self.key.sign(message.to_be_signed)), time)

    def with_log(self, state: PersistentState, message: bytes, time: int) -> PersistentState:
        """Write a signed message; return the state after it, which is not committed yet."""
        entry = member(LogMessage.decode(message).file_name, message, mtime=time)
        used = state.used_blocks + len(entry) // SECTOR
        if used + len(END) // SECTOR > state.capacity_blocks:
            raise refusal(Result.STORE_FULL)
        self.store.write(state.used_blocks, entry)
        if self.durable:
            self.written[state.used_blocks] = entry
        return replace(
            state,
            used_blocks=used,
            last_entry_block=used - blocks_of(len(message)),
            signature_counter=state.signature_counter + 1,
            last_log_time=time,
        )

    # --- reading ---

    def read_store(self, block: int, count: int) -> bytes:
        """Return blocks of the store; zeros behind the used ones."""
        inside = max(0, min(count, self.state.used_blocks - block))
        return self.store.read(block, inside).ljust(count * SECTOR, b"\0")

    def info(self) -> TseInfo:
        """Return the info sector as of now."""
        told = self._info_of_generation_1()
        if self.generation is Generation.ONE:
            return told
        admin, time_admin, logger = (math.ceil(self.puk_pause(user)) for user in USER_NAMES)
        return replace(
            told,
            logged_in_user=max(self.logged_in, default=User.NONE),
            auto_logout_seconds=assumed.AUTO_LOGOUT,
            admin_puk_blocked_seconds=admin,
            time_admin_puk_blocked_seconds=time_admin,
            logger_puk_blocked_seconds=logger,
        )

    def _info_of_generation_1(self) -> TseInfo:
        state, session, moment = self.state, self.session, self.monotonic()
        active = self.ctss_active
        export_bytes = (state.used_blocks + 2) * SECTOR
        return TseInfo(
            serial=self.key.serial,
            public_key=self.key.public_point,
            valid_time=self.unix_time() is not None,
            self_test_passed=self.self_test_passed,
            ctss_active=active,
            export_if_csp_fails=state.export_if_csp_fails,
            lifecycle=state.lifecycle,
            import_in_progress=session.pending_import is not None,
            credentials_changed=_credentials_changed(state),
            capacity_blocks=state.capacity_blocks,
            used_blocks=state.used_blocks if active else 0,
            self_test_due_seconds=int(session.self_test_due(moment)),
            open_transactions=len(state.open_transactions) if active else 0,
            max_open_transactions=assumed.MAX_OPEN_TRANSACTIONS,
            created_signatures=state.signature_counter,
            max_signatures=state.max_signatures,
            registered_clients=len(state.clients),
            max_registered_clients=assumed.MAX_CLIENTS,
            certificate_expires=max(0, self.certificate_expires),
            tar_export_bytes=export_bytes if active or self.export_allowed_after_failure else 0,
            hardware_version=assumed.HARDWARE_VERSION,
            software_version=assumed.SOFTWARE_VERSIONS[self.generation],
            max_time_sync_delay_seconds=assumed.TIME_SYNC_DELAY,
            max_update_delay_seconds=assumed.UPDATE_DELAY,
            last_entry_block=state.last_entry_block,
            time_sync_due_seconds=int(session.time_sync_due(moment)),
            firmware_type=state.firmware_type,
            form_factor=assumed.FORM_FACTOR,
            description=assumed.DESCRIPTION,
        )


def _credentials_changed(state: PersistentState) -> int:
    """Return the bits of the info sector, in their order from the lowest."""
    puks, pins = state.puks, state.pins
    order = (
        puks.get(User.ADMIN),
        pins.get(User.ADMIN),
        pins.get(User.TIME_ADMIN),
        pins.get(User.LOGGER),
        puks.get(User.TIME_ADMIN),
        puks.get(User.LOGGER),
    )
    return sum(1 << bit for bit, secret in enumerate(order) if secret is not None and secret.changed)
