"""DER elements (ITU-T X.690): reading them without losing their stored bytes, which are signed, and writing them.

Real devices deviate now and then (process data of indefinite length, lengths longer than
they must be). What can still be read only one way is read, and named in a list of deviations.
"""

from dataclasses import dataclass

from gateway.errors import ProtocolError
from gateway.i18n.text import Text

SEQUENCE, INTEGER, OCTETS, OID = 0x30, 0x02, 0x04, 0x06
BOOLEAN, PRINTABLE = 0x01, 0x13
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
PROCESS_DATA_CONSTRUCTED = 0xA2
MAX_INTEGER = 9  # a u64 and its sign

_INDEFINITE = 0x80
_END_OF_CONTENTS = b"\0\0"


@dataclass(slots=True)  # not frozen: a verifier makes a dozen for each message, and that would take thrice as long
class DerElement:
    """An element of `data`: it begins at `at`, has its content from `start` to `end`, and is followed by `next`."""

    data: bytes
    tag: int
    at: int
    start: int
    end: int
    next: int

    @property
    def value(self) -> bytes:
        """The bytes between `start` and `end`."""
        return self.data[self.start : self.end]


_LONG_LENGTH = Text("length at {at} is longer than it must be", "die Längenangabe bei {at} ist länger als nötig")
_LONG_INTEGER = Text("INTEGER at {at} is longer than it must be", "der INTEGER bei {at} ist länger als nötig")
_ELEMENT = Text("an element", "ein Element")
_PIECE = Text("a piece of process data", "ein Stück der Prozessdaten")
_NEGATIVE = Text("negative INTEGER at {at}", "negativer INTEGER bei {at}")
_INDEFINITE_LENGTH = Text("process data of indefinite length at {at}", "Prozessdaten unbestimmter Länge bei {at}")


def read(data: bytes, at: int, deviations: list[Text]) -> DerElement:
    """Return the element at `at`; `ProtocolError` if it does not fit `data`."""
    if at + 2 > len(data):
        raise ProtocolError(Text("the message ends within an element", "die Nachricht endet in einem Element"))
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ProtocolError(Text("a tag of several bytes", "ein Tag aus mehreren Bytes"))
    if length == _INDEFINITE:
        return _read_indefinite(data, at, deviations)
    if length > _INDEFINITE:
        size = length & 0x7F
        start += size
        if start > len(data) or size > 8:
            raise ProtocolError(Text("the message ends within a length", "die Nachricht endet in einer Längenangabe"))
        length = int.from_bytes(data[at + 2 : start], "big")
        if length < 0x80 or data[at + 2] == 0:
            deviations.append(_LONG_LENGTH.filled(at=at))
    end = start + length
    if end > len(data):
        raise ProtocolError(
            Text(
                "element at {at} claims {given} bytes, {there} are there",
                "das Element bei {at} nennt {given} Bytes, da sind {there}",
            ),
            at=at,
            given=length,
            there=len(data) - start,
        )
    return DerElement(data, tag, at, start, end, end)


def walk(data: bytes, at: int, end: int, deviations: list[Text]) -> list[DerElement]:
    """Return the elements that fill `data` from `at` to `end`."""
    found = []
    while at < end:
        item = read(data, at, deviations)
        if item.next > end:
            raise ProtocolError(
                Text("an element reaches beyond its message", "ein Element reicht über seine Nachricht hinaus")
            )
        found.append(item)
        at = item.next
    return found


def expect(item: DerElement, tag: int, what: Text) -> DerElement:
    """Return the element itself if it has the tag, else raise `ProtocolError`."""
    if item.tag != tag:
        raise ProtocolError(
            Text(
                "{what} with tag 0x{tag:02x}, 0x{expected:02x} expected",
                "{what} mit dem Tag 0x{tag:02x}, erwartet 0x{expected:02x}",
            ),
            what=what,
            tag=item.tag,
            expected=tag,
        )
    return item


def only(data: bytes) -> DerElement:
    """Return the one element that `data` are; `ProtocolError` if something follows, or it is no strict DER."""
    deviations: list[Text] = []
    item = read(data, 0, deviations)
    if deviations or item.next != len(data):
        raise ProtocolError(Text("not one element of DER", "nicht genau ein Element in DER"))
    return item


def children(item: DerElement, tag: int) -> list[DerElement]:
    """Return the elements within `item`, which must have `tag` and hold strict DER."""
    expect(item, tag, _ELEMENT)
    deviations: list[Text] = []
    found = walk(item.data, item.start, item.end, deviations)
    if deviations:
        raise ProtocolError(deviations[0])
    return found


def integer(item: DerElement, deviations: list[Text]) -> int:
    """Return the content as a number that cannot be negative; a leading one bit is a forgotten zero byte."""
    content = item.value
    if not 1 <= len(content) <= MAX_INTEGER:
        raise ProtocolError(Text("an INTEGER of {given} bytes", "ein INTEGER von {given} Bytes"), given=len(content))
    if content[0] & 0x80:
        deviations.append(_NEGATIVE.filled(at=item.at))
    elif len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
        deviations.append(_LONG_INTEGER.filled(at=item.at))
    return int.from_bytes(content, "big")


def octets(item: DerElement, deviations: list[Text]) -> bytes:
    """Return the content of an OCTET STRING, its pieces joined if it is constructed."""
    if item.tag != PROCESS_DATA_CONSTRUCTED:
        return item.value
    pieces = walk(item.data, item.start, item.end, deviations)
    return b"".join(expect(piece, OCTETS, _PIECE).value for piece in pieces)


def element(tag: int, value: bytes) -> bytes:
    """Return one element, with its length in the shortest form."""
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + value


def integer_element(value: int, tag: int = INTEGER) -> bytes:
    """Return a number that is not negative as an element: the fewest bytes, with a sign bit of zero."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _read_indefinite(data: bytes, at: int, deviations: list[Text]) -> DerElement:
    if data[at] != PROCESS_DATA_CONSTRUCTED:
        raise ProtocolError(
            Text(
                "indefinite length at {at}, allowed in process data only",
                "unbestimmte Länge bei {at}, erlaubt nur in Prozessdaten",
            ),
            at=at,
        )
    deviations.append(_INDEFINITE_LENGTH.filled(at=at))
    end = at + 2
    while data[end : end + 2] != _END_OF_CONTENTS:
        # The tag first: pieces within pieces would be read by recursion as deep as a stranger likes.
        if data[end : end + 1] != bytes([OCTETS]):
            raise ProtocolError(
                Text(
                    "process data of indefinite length hold OCTET STRINGs only",
                    "Prozessdaten unbestimmter Länge bestehen nur aus OCTET STRINGs",
                )
            )
        end = read(data, end, []).next
    return DerElement(data, data[at], at, at + 2, end, end + 2)
