"""Registered clients, and the self test that one of them asks for."""

from dataclasses import replace

from gateway.simulator.assumptions import CLIENT_ID_BYTES, MAX_CLIENT_ID, MAX_CLIENTS
from gateway.simulator.core import Core, refusal
from gateway.simulator.needs import ADMIN, Handlers, Needs
from gateway.simulator.session import SelfTestOutcome
from gateway.tse.commands import (
    DeregisterClient,
    ListClients,
    RegisterClient,
    SelfTest,
)
from gateway.tse.info import Lifecycle
from gateway.tse.lists import CLIENTS_PER_LIST, ClientListReply
from gateway.tse.results import Result


def self_test(core: Core, command: SelfTest) -> bytes:
    """Run the self test; logins survive it, and a test for an unknown client does not undo one that has passed."""
    session = core.session
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
    return ClientListReply(core.state.clients[command.skip : command.skip + CLIENTS_PER_LIST]).encode()


HANDLERS: Handlers = {
    SelfTest: (Needs(self_test=False), self_test),
    RegisterClient: (Needs(self_test=False, users=ADMIN), register),
    DeregisterClient: (Needs(users=ADMIN), deregister),
    ListClients: (Needs(users=ADMIN), list_clients),
}
