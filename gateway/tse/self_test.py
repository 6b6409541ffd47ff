"""The reply of generation 2 to the self test: four components, each passed or not (LAN-TSE protocol).

    u16 length | SEQUENCE OF SEQUENCE {PrintableString name, BOOLEAN passed, INTEGER Unix seconds}

The vendor's library ends the till's process when the reply to a self test without an error is anything else.
"""

from dataclasses import dataclass
from typing import Self

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import der
from gateway.tse.commands import Part, SelfTest
from gateway.tse.fields import Generation
from gateway.tse.results import Result

STORAGE, SMA, CSP, INTERFACE = "storage", "SMA", "CSP", "integration-interface"
COMPONENTS = (STORAGE, SMA, CSP, INTERFACE)
_RESULTS = {
    STORAGE: Result.SELF_TEST_FIRMWARE,
    SMA: Result.SELF_TEST_FIRMWARE,
    CSP: Result.SELF_TEST_CSP,
    INTERFACE: Result.CLIENT_NOT_REGISTERED,
}
_TRUE, _FALSE = b"\xff", b"\x00"


@dataclass(frozen=True, slots=True)
class SelfTestReply:
    """The outcome of a self test; `failed` has the components that did not pass, `time` is in Unix seconds."""

    failed: frozenset[str]
    time: int

    def encode(self) -> bytes:
        """Return the data of the response."""
        parts = (
            der.element(der.PRINTABLE, name.encode())
            + der.element(der.BOOLEAN, _FALSE if name in self.failed else _TRUE)
            + der.integer_element(self.time)
            for name in COMPONENTS
        )
        return Part(der.element(der.SEQUENCE, b"".join(der.element(der.SEQUENCE, part) for part in parts))).encode()

    @classmethod
    def decode(cls, reply: bytes) -> Self:
        """Understand the data of a response.

        Raises:
            ProtocolError: they have another form, or other components.
        """
        parts = [
            der.children(part, der.SEQUENCE) for part in der.children(der.only(Part.decode(reply).data), der.SEQUENCE)
        ]
        names, times, failed = [], [], set()
        for part in parts:
            if [item.tag for item in part] != [der.PRINTABLE, der.BOOLEAN, der.INTEGER]:
                raise ProtocolError(
                    Text(
                        "a component of the self test has another form",
                        "ein Bestandteil des Selbsttests hat eine andere Form",
                    )
                )
            name, passed, time = part
            names.append(name.value.decode("ascii", "replace"))
            times.append(der.integer(time, []))
            if passed.value not in {_TRUE, _FALSE}:
                raise ProtocolError(
                    Text(
                        "a component of the self test neither passed nor failed",
                        "ein Bestandteil des Selbsttests hat weder bestanden noch versagt",
                    )
                )
            if passed.value == _FALSE:
                failed.add(names[-1])
        if tuple(names) != COMPONENTS:
            raise ProtocolError(
                Text("a self test of other components: {names}", "ein Selbsttest anderer Bestandteile: {names}"),
                names=names,
            )
        return cls(frozenset(failed), max(times))

    @property
    def result(self) -> int:
        """What the vendor's library makes of it: 0, or the result of the first component that failed."""
        return next((int(_RESULTS[name]) for name in COMPONENTS if name in self.failed), Result.OK)


def outcome(command: bytes, reply: bytes) -> int:
    """Return what a command that ended without an error has come to: 0 but for a self test that did not pass.

    Raises:
        ProtocolError: the reply to a self test of generation 2 has another form, which tills do not survive.
    """
    if command[0] != SelfTest.opcodes[Generation.TWO]:
        return Result.OK
    return SelfTestReply.decode(reply).result
