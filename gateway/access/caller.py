"""Who sent a request, and what its role allows. `current` is the caller of the request that is being answered."""

from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Forbidden
from gateway.i18n.text import Text


class Role(StrEnum):
    """What a token is for. LAN is the role of the token in session.txt: everything but the tokens themselves."""

    LAN = "lan"
    TILL = "till"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    MONITOR = "monitor"


EVERYBODY = frozenset(Role)
TILLS = frozenset({Role.LAN, Role.TILL})
TILLS_AND_OPERATORS = TILLS | {Role.OPERATOR}
OPERATORS = frozenset({Role.LAN, Role.OPERATOR})
AUDITORS = OPERATORS | {Role.AUDITOR}
TILLS_AND_AUDITORS = TILLS | AUDITORS
MONITORS = OPERATORS | {Role.MONITOR}
READERS = AUDITORS | MONITORS
TOKEN_OPERATORS = frozenset({Role.OPERATOR})
LOCAL = "local"  # the name of the user of the gateway, who comes by its socket


@dataclass(frozen=True, slots=True)
class Caller:
    """The token of a request. Without a `role` everything is allowed: the user of the gateway, by its socket.

    `tses` are beginnings of serials (upper-case hex), `clients` client ids; empty ones limit nothing. `old`: the token
    was replaced and still counts for a while. `address` is where the request came from, `peer` the same with
    the port.
    """

    name: str
    role: Role | None
    tses: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    old: bool = False
    address: str = ""
    peer: str = ""

    def may_use(self, serial: str) -> bool:
        """Return whether the token is for this TSE, or none is named."""
        return not (self.tses and serial) or any(serial.upper().startswith(beginning) for beginning in self.tses)

    def check_role(self, roles: AbstractSet[Role]) -> None:
        """Return if the role is one of `roles`.

        Raises:
            Forbidden: it is not.
        """
        if self.role is not None and self.role not in roles:
            named = ", ".join(sorted(roles - {Role.LAN}))
            raise Forbidden(
                Text(
                    "the token {name} has the role {role}; this needs one of: {named}",
                    "das Token {name} hat die Rolle {role}; hierfür braucht es eine von: {named}",
                ),
                name=self.name,
                role=self.role,
                named=named,
            )

    def check_tse(self, serial: str) -> None:
        """Return if the token is for this TSE.

        Raises:
            Forbidden: it is not.
        """
        if not self.may_use(serial):
            raise Forbidden(
                Text(
                    "the token {name} is for other TSEs than this one", "das Token {name} ist für andere TSEs als diese"
                ),
                name=self.name,
            )

    def check_all_tses(self) -> None:
        """Return if the token is for all TSEs.

        Raises:
            Forbidden: it is for some only.
        """
        if self.tses:
            raise Forbidden(
                Text(
                    "the token {name} is only for some TSEs, and this is about all: use a token without TSEs",
                    "das Token {name} gilt nur für manche TSEs, und dies betrifft alle: ein Token ohne TSEs benutzen",
                ),
                name=self.name,
            )

    def check_client(self, client_id: str) -> None:
        """Return if the token may act for this client id.

        Raises:
            Forbidden: it may not.
        """
        if not self.may_read(client_id):
            raise Forbidden(
                Text(
                    "the token {name} may not act for the client id {client_id!r}",
                    "das Token {name} darf nicht für die Client-ID {client_id!r} handeln",
                ),
                name=self.name,
                client_id=client_id,
            )

    def may_read(self, client_id: str) -> bool:
        """Return whether the token is for this client id, or none is named: what others have signed is not shown."""
        return not self.clients or client_id in self.clients

    def check_all_clients(self) -> None:
        """Return if the token is for all client ids.

        Raises:
            Forbidden: it is for some only.
        """
        if self.clients:
            raise Forbidden(
                Text(
                    "the token {name} is only for the client ids {named}, and this is about all: ask for one of them, "
                    "or use a token without client ids, such as one of the role auditor",
                    "das Token {name} gilt nur für die Client-IDs {named}, und dies betrifft alle: eine davon angeben, "
                    "oder ein Token ohne Client-IDs benutzen, etwa eines mit der Rolle auditor",
                ),
                name=self.name,
                named=", ".join(sorted(self.clients)),
            )


current: ContextVar[Caller | None] = ContextVar("caller", default=None)
