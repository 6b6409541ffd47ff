"""Client certificates: which token one stands for, by the names in its subject and its alternative names.

The handshake has verified it: with one of another authority, revoked or out of date, there is no connection.
"""

from collections.abc import Set as AbstractSet

from aiohttp import web

from gateway.access.accepted import AcceptedToken
from gateway.access.caller import Caller
from gateway.access.tokens import Tokens
from gateway.errors import Forbidden
from gateway.i18n.text import Text


class ClientCertificates:
    """Judges certificates of clients; tokens of the roles `required` count only with that of their name."""

    def __init__(self, tokens: Tokens, required: AbstractSet[str] = frozenset()) -> None:
        self._tokens = tokens
        self._required = required

    def token_of(self, request: web.BaseRequest) -> AcceptedToken | None:
        """Return the token for which the certificate of the connection stands; `None` if it shows none, or for none."""
        names = _names(request)
        found = (token for token in self._tokens.all() if token.name in names and not token.old)
        return next(found, None) if names else None

    def check(self, request: web.BaseRequest, caller: Caller) -> None:
        """Return unless the token of the caller needs a certificate that the connection does not show.

        Raises:
            Forbidden: it does.
        """
        if caller.role is not None and caller.role.value in self._required and caller.name not in _names(request):
            raise Forbidden(
                Text(
                    "the token {name} counts only with the client certificate of its name",
                    "das Token {name} gilt nur mit dem Client-Zertifikat seines Namens",
                ),
                name=caller.name,
            )


def _names(request: web.BaseRequest) -> frozenset[str]:
    shown = None if request.transport is None else request.transport.get_extra_info("peercert")
    if not shown:
        return frozenset()
    subject = {value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName"}
    return frozenset(subject | {value for _, value in shown.get("subjectAltName", ()) if isinstance(value, str)})
