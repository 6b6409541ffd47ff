"""The life of a TSE: CTSS, initialisation, time, decommissioning, health, firmware."""

from dataclasses import replace

from gateway.simulator import assumptions as assumed
from gateway.simulator.core import Core, refusal
from gateway.simulator.needs import ADMIN, ANY_USER, Handlers, Needs
from gateway.tse.commands import (
    ApplyUpdate,
    Decommission,
    DisableCtss,
    EnableCtss,
    ExportIfCspFails,
    FactoryReset,
    FetchResponse,
    FlashHealth,
    HealthReply,
    Initialize,
    SetTime,
    TransferUpdate,
)
from gateway.tse.der import element, integer_element
from gateway.tse.info import Lifecycle
from gateway.tse.results import Result

_RAW_TIME = 4  # bytes of a Unix time inside system data


def enable_ctss(core: Core, _command: EnableCtss) -> bytes:
    """Enable CTSS; it lasts over a power cycle."""
    core.commit(replace(core.state, ctss_enabled=True))
    return b""


def disable_ctss(core: Core, _command: DisableCtss) -> bytes:
    """Disable CTSS; it lasts over a power cycle."""
    core.commit(replace(core.state, ctss_enabled=False))
    return b""


def export_if_csp_fails(core: Core, command: ExportIfCspFails) -> bytes:
    """Allow or forbid exports after a failed test; it lasts over a power cycle."""
    core.commit(replace(core.state, export_if_csp_fails=command.enabled))
    return b""


def initialize(core: Core, _command: Initialize) -> bytes:
    """Put the TSE into service, once; its log is the first signature."""
    if core.state.lifecycle == Lifecycle.INITIALIZED:
        raise refusal(Result.ALREADY_INITIALIZED)
    if core.state.lifecycle == Lifecycle.DECOMMISSIONED:
        raise refusal(Result.DECOMMISSIONED)
    _check_admin(core)
    description = element(0x81, assumed.DESCRIPTION.encode("ascii"))
    started = replace(core.state, lifecycle=Lifecycle.INITIALIZED)
    core.commit(core.with_system_log(started, Initialize, one=description))
    return b""


def decommission(core: Core, _command: Decommission) -> bytes:
    """Take the TSE out of service for good."""
    if core.state.open_transactions:
        raise refusal(Result.TSE_HAS_OPEN_TRANSACTIONS)
    ended = replace(core.state, lifecycle=Lifecycle.DECOMMISSIONED)
    time = core.log_time()
    one, two = element(0x81, _raw_time(time)), integer_element(time)
    core.commit(core.with_system_log(ended, Decommission, one=one, two=two))
    core.session.pending_import = None
    return b""


def set_time(core: Core, command: SetTime) -> bytes:
    """Set the time; the message has the new one as its log time, and the old one inside."""
    if not 0 < command.unix_time <= assumed.LAST_UNIX_TIME:
        raise refusal(Result.INVALID_PARAMETER)
    session, before = core.session, core.log_time()
    time_set_before = session.time_set
    session.time_set = (command.unix_time, core.monotonic())
    if core.logs(SetTime):
        one = element(0x81, _raw_time(before)) + element(0x82, _raw_time(command.unix_time))
        two = integer_element(before) + integer_element(command.unix_time)
        try:
            core.commit(core.with_system_log(core.state, SetTime, one=one, two=two))
        except BaseException:
            session.time_set = time_set_before
            raise
    return b""


def flash_health(_core: Core, _command: FlashHealth) -> bytes:
    """Return the health of a new device."""
    return HealthReply(assumed.SPARE_BLOCKS_PERCENT, 0, 0, assumed.ENDURANCE).encode()


def factory_reset(core: Core, _command: FactoryReset) -> bytes:
    """Make the TSE as new; counters stay, for a key must not sign the same number twice."""
    if core.state.firmware_type not in assumed.DEVELOPMENT:
        raise refusal(Result.COMMAND_NOT_ALLOWED)
    core.factory_reset()
    return b""


def transfer_update(_core: Core, _command: TransferUpdate) -> bytes:
    """Take a piece of an update and throw it away."""
    return b""


def apply_update(_core: Core, _command: ApplyUpdate) -> bytes:
    """Refuse: there is no update for a simulator, so nothing has its form."""
    raise refusal(Result.UPDATE_FORMAT)


def fetch_response(_core: Core, _command: FetchResponse) -> bytes:
    """Answer that there is nothing to fetch; a response that is held back is fetched by the window itself."""
    raise refusal(Result.NO_RESPONSE_TO_FETCH)


HANDLERS: Handlers = {
    EnableCtss: (Needs(users=ADMIN), enable_ctss),
    DisableCtss: (Needs(users=ADMIN), disable_ctss),
    ExportIfCspFails: (Needs(users=ADMIN, ctss=True), export_if_csp_fails),
    Initialize: (Needs(ctss=True), initialize),
    Decommission: (Needs(users=ADMIN, ctss=True, initialized=True), decommission),
    SetTime: (Needs(users=ANY_USER, ctss=True), set_time),
    FlashHealth: (Needs(self_test=False), flash_health),
    FactoryReset: (Needs(self_test=False), factory_reset),
    TransferUpdate: (Needs(users=ADMIN), transfer_update),
    ApplyUpdate: (Needs(users=ADMIN), apply_update),
    FetchResponse: (Needs(self_test=False), fetch_response),
}


def _check_admin(core: Core) -> None:
    if not ADMIN & core.logged_in:
        raise refusal(Result.NOT_AUTHORIZED)


def _raw_time(unix_time: int) -> bytes:
    return unix_time.to_bytes(max(_RAW_TIME, (unix_time.bit_length() + 7) // 8), "big")
