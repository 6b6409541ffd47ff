"""What a shell completes: TSEs, tills and tokens of the gateway that the line names, and names of faults.

Nothing is completed, and nothing said, if the gateway does not answer at once. That of this machine is asked through
its socket with the standard library alone, since the user waits.
"""

import asyncio
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from gateway.cli.formatting import short
from gateway.config.defaults import SOCKET, default_state_dir
from gateway.errors import GatewayError

_PATIENCE = 1.0  # seconds
_RECEIPTS = 50  # the newest, of each TSE
_DIGITS = 64  # of a serial


def serials(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the TSEs whose serials begin so, with their places."""
    known = {str(tse["serial"]): str(tse["place"]) for tses in _answers(context, ["/tses"]) for tse in tses}
    if not known:  # those of before, whose gateway does not run
        known = {file.stem: "" for file in (_state_dir(context) / "tses").glob("*.json") if len(file.stem) == _DIGITS}
    shown = {
        serial if len(incomplete) > len(short(serial)) else short(serial): place for serial, place in known.items()
    }
    found = [(serial, place) for serial, place in sorted(shown.items()) if serial.startswith(incomplete.upper())]
    return [(incomplete + serial[len(incomplete) :], place) for serial, place in found]  # capitals or not, as typed


def clients(context: typer.Context, incomplete: str) -> list[str]:
    """Return the client ids that begin so: of tills that sold, of tokens, of the list for the tax office."""
    names = set[str]()
    paths = ["/tokens", "/elster/tills"]
    for tses in _answers(context, ["/tses"]):
        for tse in tses:
            paths += [f"/tses/{tse['serial']}/lock", f"/tses/{tse['serial']}/transactions?limit={_RECEIPTS}"]
    for answer in _answers(context, paths):
        names |= set(_clients_in(answer))
    return _beginning(names, incomplete)


def tokens(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of tokens that begin so."""
    found = (token["name"] for answer in _answers(context, ["/tokens"]) for token in answer["tokens"])
    return _beginning(found, incomplete)


def faults(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the faults of a simulated TSE that begin so, with what they mean."""
    from gateway.cli.help import spoken
    from gateway.simulator.faults import FAULTS

    language = spoken(context)
    return [(name, text.in_language(language)) for name, text in FAULTS.items() if name.startswith(incomplete)]


def _clients_in(answer: Any) -> Iterator[str]:
    """Yield the client ids of a response, wherever they stand."""
    if isinstance(answer, list):
        for item in answer:
            yield from _clients_in(item)
    elif isinstance(answer, dict):
        yield from (str(answer[name]) for name in ("client_id", "serial_number") if answer.get(name))
        yield from map(str, answer.get("client_ids", ()))
        for value in answer.values():
            yield from _clients_in(value)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _answers(context: typer.Context, paths: Sequence[str]) -> Iterator[Any]:
    """Yield what the gateway says at these paths of its API; a refusal, or silence, is left out."""
    if context.params.get("url"):
        with suppress(GatewayError, OSError, TimeoutError):
            yield from asyncio.run(_remote(context, paths))
        return
    import http.client

    with suppress(GatewayError, OSError, ValueError, http.client.HTTPException), socket.socket(socket.AF_UNIX) as there:
        there.settimeout(_PATIENCE)
        there.connect(str(_state_dir(context) / SOCKET))
        connection = http.client.HTTPConnection("localhost")
        connection.sock = there
        for path in paths:
            connection.request("GET", f"/api/v1{path}")
            response = connection.getresponse()
            body = response.read()
            if response.status == http.HTTPStatus.OK:
                yield json.loads(body)


async def _remote(context: typer.Context, paths: Sequence[str]) -> list[Any]:
    from gateway.client import api

    given = context.params
    there = api.Remote(
        given["url"], given["token_file"], given["ca"], given["fingerprint"] or "", given["client_certificate"]
    )
    found = []
    async with asyncio.timeout(2 * _PATIENCE), api.remote(there) as gateway:
        for path in paths:
            with suppress(api.Refused):
                found.append(await gateway.get(path))
    return found


def _state_dir(context: typer.Context) -> Path:
    """Return where the gateway of this machine keeps its state, as `Settings` would."""
    from gateway.config.toml_file import read_toml

    named = context.params.get("config") or os.environ.get("GATEWAY_CONFIG")
    table: dict[str, Any] = {}
    with suppress(GatewayError):
        table = read_toml(Path(named)) if named else {}
    return Path(os.environ.get("GATEWAY_STATE_DIR") or table.get("state_dir") or default_state_dir(os.environ))
