"""The LAN protocol on the wire: seven requests, their JSON and base64.

GET  /lantse/api/v1/tses                                     -> ["<serial>", ...]
GET  /lantse/api/v1/tse/{serial}/lock                        -> {"data": <session>}
GET  .../tse/{serial}/{session}/unlock                       -> {}
GET  .../tse/{serial}/{session}/readInfo                     -> {"data": "<base64>"}
GET  .../tse/{serial}/{session}/readWormStore?offset=&numblocks=  -> {"data": "<base64>"}
POST .../tse/{serial}/{session}/sendCommand    {"data": "<base64>"}  -> {"data": "<base64>"}
POST .../tse/{serial}/{session}/writeWormStore?offset=  {"data": "<base64>"}  -> {}
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from gateway.access.audit import AuditLog
from gateway.access.caller import TILLS, Role
from gateway.access.uses import TokenUses
from gateway.errors import BadRequest, GatewayError, InvalidSession
from gateway.i18n.text import Text
from gateway.operations.lan import LanTse
from gateway.operations.lan_commands import client_id_in, is_about_all
from gateway.server.http import bodies, callers, responses
from gateway.server.http.connection import peer_of
from gateway.server.lan_acts import act_of
from gateway.telemetry.metrics.series import result_of
from gateway.tse.commands import OpenImport

BASE = "/lantse/api/v1"
# A till that has selected no TSE yet sends an empty serial: that must reach LanTse, which refuses it.
# Possessive, since routes are tried one after the other: to try each length of a serial takes five times as long.
_TSE = BASE + "/tse/{serial:[^/]*+}"
_SESSION = _TSE + "/{session:[^/]*+}"
_BIG = 256 * 1024  # bytes from which coding takes longer than changing to a thread
_LONGEST_COMMAND = 8 * 1024  # bytes of JSON; the 510 bytes of a command as base64, however that is escaped
_MOST_DIGITS = 20


@dataclass(eq=False, slots=True)
class TcpConnection:
    """One TCP connection of a client, for `LanTse` to tell apart by identity.

    `token` is the name of the token in its last request, `client_id` that of the till as last seen; empty before.
    """

    protocol: RequestHandler
    token: str = ""
    client_id: str = ""
    peer: str = field(init=False)  # address and port, also when the client is gone; empty if they are not known

    def __post_init__(self) -> None:
        self.peer = peer_of(self.protocol.transport)

    @property
    def alive(self) -> bool:
        """Whether it is open, seen from both sides."""
        transport = self.protocol.transport
        return transport is not None and not transport.is_closing()


@dataclass(frozen=True, slots=True)
class LanRequest:
    """One of the requests, and the roles that may send it."""

    method: str
    path: str
    handler: "Callable[[LanProtocol, web.Request], Awaitable[web.StreamResponse]]"
    roles: AbstractSet[Role] = TILLS


class LanProtocol:
    """Handlers of the seven requests; the middleware turns errors into responses."""

    def __init__(self, lan: LanTse, uses: TokenUses, audit: AuditLog) -> None:
        self._lan = lan
        self._audit = audit
        self._uses = uses
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, TcpConnection] = WeakKeyDictionary()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; GET without its HEAD, which would lock and unlock as well."""
        return [self._route(request) for request in REQUESTS]

    async def tses(self, request: web.Request) -> web.Response:
        caller = callers.caller_of(request)
        return responses.ok_json([serial for serial in self._lan.serials() if caller.may_use(serial)])

    async def lock(self, request: web.Request) -> web.Response:
        return responses.ok_json({"data": await self._lan.lock(_serial(request), self._connection(request))})

    async def unlock(self, request: web.Request) -> web.Response:
        await self._lan.unlock(*_address(request))
        return responses.ok(b"{}")

    async def read_info(self, request: web.Request) -> web.Response:
        return await _data(await self._lan.read_info(*_address(request), self._connection(request)))

    async def read_store(self, request: web.Request) -> web.Response:
        block, count, caller = _number(request, "offset"), _number(request, "numblocks"), callers.caller_of(request)
        if caller.clients and block + count > await self._lan.receipts_begin(_serial(request)):
            caller.check_all_clients()
        return await _data(await self._lan.read_store(*_address(request), block, count, self._connection(request)))

    async def send_command(self, request: web.Request) -> web.Response:
        serial, session = _address(request)
        self._lan.check_session(serial, session)
        command = _decoded(await bodies.small(request, _LONGEST_COMMAND))
        connection = self._connection(request)
        self._check_client(request, command, connection)
        return await _data(
            await self._audited(request, command, self._lan.send_command(serial, session, command, connection))
        )

    async def write_store(self, request: web.Request) -> web.Response:
        block, (serial, session) = _number(request, "offset"), _address(request)
        self._lan.check_session(serial, session)
        async with bodies.received(request, request.client_max_size) as body:
            data = await asyncio.to_thread(_decoded, body) if len(body) > _BIG else _decoded(body)
            await self._lan.write_store(serial, session, block, data, self._connection(request))
        return responses.ok(b"{}")

    async def _audited(self, request: web.Request, command: bytes, work: Awaitable[bytes]) -> bytes:
        """Return what `work` gives; an act of an operator goes into the audit log."""
        act = act_of(command)
        if act is None:
            return await work
        (name, about), caller, serial = act, callers.caller_of(request), _serial(request).upper()
        try:
            reply = await work
        except GatewayError as error:
            await self._audit.note(caller, name, result_of(error).lower(), serial=serial, about=about)
            raise
        await self._audit.note(caller, name, serial=serial, about=about)
        return reply

    def _route(self, request: LanRequest) -> web.RouteDef:
        async def handle(received: web.Request) -> web.StreamResponse:
            caller = callers.caller_of(received)
            caller.check_role(request.roles)
            caller.check_tse(received.match_info.get("serial", ""))
            connection = self._connections.get(received.transport) if received.transport is not None else None
            callers.name_client(received, connection.client_id if connection is not None else "")
            return await request.handler(self, received)

        if request.method == hdrs.METH_GET:
            return web.get(request.path, handle, allow_head=False)
        return web.post(request.path, handle, expect_handler=bodies.expect)

    def _check_client(self, request: web.Request, command: bytes, connection: TcpConnection) -> None:
        """Refuse a command for a client id that is not the token's, and note for which one a till signs."""
        caller = callers.caller_of(request)
        signs = bool(command) and OpenImport.begins(command)
        if not (signs or caller.clients):
            return
        client_id = client_id_in(command)
        if is_about_all(command):
            caller.check_all_clients()
        if client_id != "":
            caller.check_client(client_id or "?")  # what is not understood may name any
        if signs and client_id:
            connection.client_id = client_id
            callers.name_client(request, client_id)
            self._uses.note(caller, client_id)

    def _connection(self, request: web.Request) -> TcpConnection:
        transport, token = request.transport, callers.caller_of(request).name
        if transport is None:  # it is lost already
            return TcpConnection(request.protocol, token)
        known = self._connections.get(transport)
        if known is None:
            known = self._connections[transport] = TcpConnection(request.protocol, token)
        known.token = token
        return known


REQUESTS = (  # tried in this order: those of each receipt first
    LanRequest("POST", f"{_SESSION}/sendCommand", LanProtocol.send_command),
    LanRequest("POST", f"{_SESSION}/writeWormStore", LanProtocol.write_store),
    LanRequest("GET", f"{_TSE}/lock", LanProtocol.lock),
    LanRequest("GET", f"{_SESSION}/unlock", LanProtocol.unlock),
    LanRequest("GET", f"{_SESSION}/readWormStore", LanProtocol.read_store),
    LanRequest("GET", f"{_SESSION}/readInfo", LanProtocol.read_info),
    LanRequest("GET", f"{BASE}/tses", LanProtocol.tses),
)


def _serial(request: web.Request) -> str:
    return request.match_info["serial"]


def _address(request: web.Request) -> tuple[str, int]:
    text = request.match_info["session"]
    if not _is_number(text) or int(text) >= 2**64:
        raise InvalidSession(
            Text("a session is a decimal number of 64 bits", "eine Sitzung ist eine Dezimalzahl von 64 Bit")
        )
    return _serial(request), int(text)


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not _is_number(text):
        raise BadRequest(Text("{name} must be a decimal number", "{name} muss eine Dezimalzahl sein"), name=name)
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _decoded(body: bytes) -> bytes:
    document = bodies.from_json(body)
    text = document.get("data") if isinstance(document, dict) else None
    if not isinstance(text, str):
        raise BadRequest(Text('the body must be {{"data": "<base64>"}}', 'der Body muss {{"data": "<base64>"}} sein'))
    try:
        # Clients break the text into lines; nothing else may stand between the letters.
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(Text("data is not base64", "data ist nicht base64")) from None


async def _data(data: bytes) -> web.Response:
    body = await asyncio.to_thread(_encoded, data) if len(data) > _BIG else _encoded(data)
    return responses.ok(body)


def _encoded(data: bytes) -> bytes:
    return b'{"data": "' + base64.b64encode(data) + b'"}'
