"""Registered clients, and the self test that one of them asks for."""

from dataclasses import replace

from gateway.simulator.assumptions import CLIENT_ID_BYTES, MAX_CLIENT_ID, MAX_CLIENTS, PART_BYTES
from gateway.simulator.core import Core, refusal
from gateway.simulator.needs import ADMIN, Handlers, Needs
from gateway.simulator.session import SelfTestOutcome
from gateway.tse.commands import (
    DeregisterClient,
    ListClients,
    Part,
    RegisterClient,
    SelfTest,
)
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle
from gateway.tse.lists import CLIENTS_PER_LIST, ClientListReply, encode_client_ids
from gateway.tse.results import Result
from gateway.tse.self_test import CSP, SelfTestReply


def self_test(core: Core, command: SelfTest) -> bytes:
    """Run the self test; logins survive it, and a test for an unknown client does not undo one that has passed."""
    session = core.session
    if core.generation is Generation.TWO:
        return _self_test_of_generation_2(core)
    if command.client_id not in core.state.clients:
        if not core.self_test_passed:
            session.self_test = SelfTestOutcome.FAILED
        raise refusal(Result.CLIENT_NOT_REGISTERED)
    if core.faults.strike("failed_self_test"):
        session.self_test = SelfTestOutcome.FAILED
        raise refusal(Result.SELF_TEST_CSP)
    session.self_test, session.self_test_passed_at = SelfTestOutcome.PASSED, core.monotonic()
    return b""


def register(core: Core, command: RegisterClient) -> bytes:
    """Register a client; once more does no harm."""
    if core.state.lifecycle == Lifecycle.DECOMMISSIONED:
        raise refusal(Result.DECOMMISSIONED)
    name = command.client_id
    if not 1 <= len(name) <= MAX_CLIENT_ID or not CLIENT_ID_BYTES.issuperset(name):
        raise refusal(Result.INVALID_PARAMETER)
    if name in core.state.clients:
        return b""
    if len(core.state.clients) >= MAX_CLIENTS:
        raise refusal(Result.MAX_REGISTERED_CLIENTS)
    core.commit(replace(core.state, clients=(*core.state.clients, name)))
    return b""


def deregister(core: Core, command: DeregisterClient) -> bytes:
    """Deregister a client; its last transaction is forgotten, too."""
    state, name = core.state, command.client_id
    if name not in state.clients:
        raise refusal(Result.CLIENT_NOT_REGISTERED)
    if name in state.open_transactions.values():
        raise refusal(Result.CLIENT_HAS_OPEN_TRANSACTIONS)
    clients = tuple(client for client in state.clients if client != name)
    replies = {client: reply for client, reply in state.last_replies.items() if client != name}
    core.commit(replace(state, clients=clients, last_replies=replies))
    return b""


def list_clients(core: Core, command: ListClients) -> bytes:
    """List clients in the order of their registration."""
    if core.generation is Generation.TWO:
        return Part(encode_client_ids(core.state.clients)[command.skip :][:PART_BYTES]).encode()
    return ClientListReply(core.state.clients[command.skip : command.skip + CLIENTS_PER_LIST]).encode()


HANDLERS: Handlers = {
    SelfTest: (Needs(self_test=False), self_test),
    RegisterClient: (Needs(self_test=False, users=ADMIN), register),
    DeregisterClient: (Needs(users=ADMIN), deregister),
    ListClients: (Needs(users=ADMIN), list_clients),
}


def _self_test_of_generation_2(core: Core) -> bytes:
    """Test without a client, and tell the outcome of each component; the reply is no error even if one failed."""
    if core.faults.strike("empty_self_test"):
        return b""
    failed = frozenset({CSP}) if core.faults.strike("failed_self_test") else frozenset[str]()
    core.session.self_test = SelfTestOutcome.FAILED if failed else SelfTestOutcome.PASSED
    core.session.self_test_passed_at = core.monotonic()
    return SelfTestReply(failed, core.log_time()).encode()
