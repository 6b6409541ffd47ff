"""Who sent the request, and which roles a handler is for."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.access.caller import Caller, Role, current
from gateway.errors import Unauthorized
from gateway.i18n.text import Text
from gateway.server.http.connection import peer_of

_ABOUT = web.RequestKey("about", dict)
_CLIENT = web.RequestKey("client", str)
_CALLER = web.RequestKey("caller", Caller)


def identify(request: web.Request, caller: Caller) -> None:
    """Note who sent the request."""
    if not caller.peer:
        caller = replace(caller, peer=peer_of(request.transport))
    request[_CALLER] = caller
    current.set(caller)


def caller_of(request: web.Request) -> Caller:
    """Return who sent the request.

    Raises:
        Unauthorized: nobody has shown a token, as on paths that are open.
    """
    found: Caller | None = request.get(_CALLER)
    if found is None:
        raise Unauthorized(Text("the API token is missing or wrong", "das API-Token fehlt oder ist falsch"))
    return found


def name_client(request: web.Request, client_id: str) -> None:
    """Note for which till the request is."""
    if client_id:
        request[_CLIENT] = client_id


def till_of(request: web.Request) -> str:
    """Return the till that sent the request: its client id, or its address if that is not known."""
    found: str = request.get(_CLIENT, "")
    return found or request.remote or ""


def tell_about(request: web.Request, **names: Any) -> None:
    """Note what the act of the request is about, for the audit log: names, and nothing that may be a PIN or a token."""
    request[_ABOUT] = {**about(request), **names}


def about(request: web.Request) -> dict[str, Any]:
    """Return what the act of the request is about, as far as it was told."""
    found: dict[str, Any] = request.get(_ABOUT, {})
    return found


def only(roles: AbstractSet[Role], handler: Handler) -> Handler:
    """Return a handler for these roles; others get `Forbidden`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller_of(request).check_role(roles)
        return await handler(request)

    return handle
