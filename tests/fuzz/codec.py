"""Sectors, commands and replies of the TSE: the first byte chooses; what is understood is the same once written."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from gateway.errors import ProtocolError
from gateway.tse import commands, lists, results, self_test, unfinished
from gateway.tse.fields import Command, Generation, Reply
from gateway.tse.info import TseInfo, version_text
from gateway.tse.layout import Offsets
from gateway.tse.pins import pin_shown_by
from gateway.tse.sectors import SECTOR, Response, decode_command, encode_command


def _response(data: bytes) -> None:
    response = Response.decode(data.ljust(SECTOR, b"\0"))
    assert Response.decode(response.encode()) == response
    results.explain(response.result)
    results.name_of(response.result)
    results.tries_left(response.result)


def _command(data: bytes) -> None:
    commands.title_of(data)
    command = commands.parse(data)
    assert command in map(commands.parse, _spellings(command))
    for generation in Generation:
        pin_shown_by(command, generation)
    unfinished.done(set(), data, b"")


def _spellings(command: Command) -> Iterator[bytes]:
    for generation in command.opcodes:
        with suppress(ProtocolError):  # the other generation has fewer bytes for a value
            yield command.encode(generation)


def _command_sector(data: bytes) -> None:
    command = decode_command(data.ljust(SECTOR, b"\0"))
    assert decode_command(encode_command(command)) == command


def _info(data: bytes) -> None:
    info = TseInfo.decode(data.ljust(SECTOR, b"\0"))
    assert TseInfo.decode(info.encode()) == info
    info.as_dict()
    version_text(info.software_version)


def _offsets(data: bytes) -> None:
    offsets = Offsets.decode(data.ljust(SECTOR, b"\0"))
    assert Offsets.decode(offsets.encode()) == offsets


def _self_test(data: bytes) -> None:
    self_test.outcome(commands.SelfTest(b"POS-1").encode(Generation.TWO), data)


def _list(question: Callable[[Generation], lists.Question[Any]]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        asking = question(Generation.TWO)
        next(asking)
        with suppress(StopIteration):
            for part in (commands.Part(data), commands.Part(b"")):
                asking.send(part.encode())

    return check


def _round_trip(kind: Any) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        reply = kind.decode(data)
        assert kind.decode(reply.encode()) == reply

    return check


_REPLIES: set[Any] = {*Reply.__subclasses__(), commands.HealthReply, self_test.SelfTestReply}
_READERS = (
    *(_response, _command, _command_sector, _info, _offsets, _self_test),
    *(_list(lists.client_ids), _list(lambda generation: lists.open_transactions(generation, b""))),
    *(_round_trip(kind) for kind in sorted(_REPLIES, key=lambda kind: str(kind.__name__))),
)


def run(data: bytes) -> None:
    """Read `data` as one of all forms."""
    if data:
        with suppress(ProtocolError):
            _READERS[data[0] % len(_READERS)](data[1 : SECTOR + 1])
