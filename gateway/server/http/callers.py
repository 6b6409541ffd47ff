"""Who sent the request, and which roles a handler is for."""

from collections.abc import Set as AbstractSet

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.access.caller import Caller, Role, current
from gateway.errors import Unauthorized

_CALLER = web.RequestKey("caller", Caller)


def identify(request: web.Request, caller: Caller) -> None:
    """Note who sent the request."""
    request[_CALLER] = caller
    current.set(caller)


def caller_of(request: web.Request) -> Caller:
    """Return who sent the request.

    Raises:
        Unauthorized: nobody has shown a token, as on paths that are open.
    """
    found: Caller | None = request.get(_CALLER)
    if found is None:
        raise Unauthorized("the API token is missing or wrong")
    return found


def only(roles: AbstractSet[Role], handler: Handler) -> Handler:
    """Return a handler for these roles; others get `Forbidden`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller_of(request).check_role(roles)
        return await handler(request)

    return handle
