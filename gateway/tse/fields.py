"""Fields of commands and replies: a frozen dataclass's annotations are its layout.

    @dataclass(frozen=True)
    class SetTime(Command, opcode=0x80, title="set time"):
        unix_time: U64

encodes as opcode, a zero byte and the time in eight bytes. Every claimed length is
checked; what does not fit exactly is a `ProtocolError`. Where the two generations of the
TSE differ, a command has two opcodes, and a field two codecs (`Spelled`).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Protocol, Self, get_type_hints

from gateway.errors import ProtocolError
from gateway.i18n.text import Text

SAME = 0  # no command has this opcode


class Generation(IntEnum):
    """The generations of the TSE, firmware 1.x and 2.x, which differ in commands for users, lists and self test."""

    ONE = 1
    TWO = 2


class Codec(Protocol):
    """Coding of one field: value to bytes, and bytes at an offset to (value, next offset)."""

    def encode(self, value: Any) -> bytes: ...
    def decode(self, data: bytes, at: int) -> tuple[Any, int]: ...


@dataclass(frozen=True)
class Unsigned:
    """Big-endian unsigned integer of `size` bytes."""

    size: int

    def encode(self, value: int) -> bytes:
        try:
            return value.to_bytes(self.size, "big")
        except OverflowError:
            raise ProtocolError(
                Text("{value} does not fit {size} bytes", "{value} passt nicht in {size} Bytes"),
                value=value,
                size=self.size,
            ) from None

    def decode(self, data: bytes, at: int) -> tuple[int, int]:
        end = at + self.size
        if end > len(data):
            take(data, at, self.size)  # says what is missing
        return int.from_bytes(data[at:end], "big"), end


@dataclass(frozen=True)
class Prefixed:
    """Bytes behind their own length of `size` bytes."""

    size: int

    def encode(self, value: bytes) -> bytes:
        return Unsigned(self.size).encode(len(value)) + value

    def decode(self, data: bytes, at: int) -> tuple[bytes, int]:
        length, at = Unsigned(self.size).decode(data, at)
        return take(data, at, length)


@dataclass(frozen=True)
class Fixed:
    """Exactly `size` bytes."""

    size: int

    def encode(self, value: bytes) -> bytes:
        if len(value) != self.size:
            raise ProtocolError(
                Text("a field has {size} bytes, not {given}", "ein Feld hat {size} Bytes, nicht {given}"),
                size=self.size,
                given=len(value),
            )
        return value

    def decode(self, data: bytes, at: int) -> tuple[bytes, int]:
        return take(data, at, self.size)


@dataclass(frozen=True)
class Listed:
    """A one-byte count and as many items, each of its own codec."""

    item: Codec
    most: int

    def encode(self, value: tuple[Any, ...]) -> bytes:
        if len(value) > self.most:
            raise ProtocolError(
                Text(
                    "a list has at most {most} items, not {given}",
                    "eine Liste hat höchstens {most} Einträge, nicht {given}",
                ),
                most=self.most,
                given=len(value),
            )
        return bytes([len(value)]) + b"".join(self.item.encode(item) for item in value)

    def decode(self, data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        count, at = Unsigned(1).decode(data, at)
        if count > self.most:
            raise ProtocolError(
                Text(
                    "a list has at most {most} items, not {count}",
                    "eine Liste hat höchstens {most} Einträge, nicht {count}",
                ),
                most=self.most,
                count=count,
            )
        items = []
        for _ in range(count):
            item, at = self.item.decode(data, at)
            items.append(item)
        return tuple(items), at


@dataclass(frozen=True)
class Padded:
    """Text bytes padded with NUL to `size` bytes."""

    size: int

    def encode(self, value: bytes) -> bytes:
        if len(value) > self.size:
            raise ProtocolError(
                Text("text of {given} bytes does not fit {size}", "ein Text von {given} Bytes passt nicht in {size}"),
                given=len(value),
                size=self.size,
            )
        return value.ljust(self.size, b"\0")

    def decode(self, data: bytes, at: int) -> tuple[bytes, int]:
        raw, at = take(data, at, self.size)
        return raw.rstrip(b"\0"), at


@dataclass(frozen=True)
class Spelled:
    """A field that each generation writes in its own way; `None` where it does not write it, and `absent` is read."""

    one: Codec | None
    two: Codec | None
    absent: Any = None


U8 = Annotated[int, Unsigned(1)]
U16 = Annotated[int, Unsigned(2)]
U32 = Annotated[int, Unsigned(4)]
U64 = Annotated[int, Unsigned(8)]
Lp8 = Annotated[bytes, Prefixed(1)]
Lp16 = Annotated[bytes, Prefixed(2)]
Lp64 = Annotated[bytes, Prefixed(8)]
Serial = Annotated[bytes, Fixed(32)]


@dataclass(frozen=True)
class Record:
    """Base of everything that is laid out by its annotations."""

    def encode_fields(self, generation: Generation = Generation.ONE) -> bytes:
        """Return the bytes of all fields, one after the other."""
        return b"".join(
            codec.encode(getattr(self, name)) for name, codec in layout_of(type(self), generation) if codec is not None
        )

    @classmethod
    def decode_fields(cls, data: bytes, at: int = 0, generation: Generation = Generation.ONE) -> Self:
        """Read all fields from `at` to the exact end of `data`."""
        values: dict[str, Any] = {}
        for name, codec in layout_of(cls, generation):
            if codec is not None:
                values[name], at = codec.decode(data, at)
            else:
                values[name] = _spellings_of(cls)[name].absent
        if at != len(data):
            raise ProtocolError(
                Text("{name}: {extra} bytes too many", "{name}: {extra} Bytes zu viel"),
                name=cls.__name__,
                extra=len(data) - at,
            )
        return cls(**values)


class Reply(Record):
    """A record that is the whole data of a response."""

    def encode(self) -> bytes:
        """Return the data of the response."""
        return self.encode_fields()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Understand the data of a response; `ProtocolError` if they have another form."""
        return cls.decode_fields(data)


class Command(Record):
    """A record behind an opcode and a second byte (zero but for one command).

    `opcode` is that of generation 1, `opcodes` has those of the generations that know the command.
    """

    opcode: ClassVar[int]
    opcodes: ClassVar[Mapping[Generation, int]]
    title: ClassVar[str]

    def __init_subclass__(cls, *, opcode: int, title: str, two: int | None = SAME) -> None:
        """Declare a command; `two` is its opcode in generation 2, `None` where that does not know it."""
        cls.opcode, cls.title = opcode, title
        known = {Generation.ONE: opcode, Generation.TWO: opcode if two == SAME else two}
        cls.opcodes = {generation: number for generation, number in known.items() if number is not None}

    def encode(self, generation: Generation = Generation.ONE) -> bytes:
        """Return the bytes of the command, without length prefix and padding.

        Raises:
            ProtocolError: a value does not fit, or the generation does not know the command.
        """
        if generation not in self.opcodes:
            raise ProtocolError(
                Text(
                    "a TSE of generation {generation} does not know the command {title}",
                    "eine TSE der Generation {generation} kennt den Befehl {title} nicht",
                ),
                generation=generation,
                title=self.title,
            )
        return bytes([self.opcodes[generation], 0]) + self.encode_fields(generation)

    @classmethod
    def decode(cls, command: bytes) -> Self:
        """Understand the bytes of a command of this kind, of any generation; `ProtocolError` if they do not fit."""
        spellings = [generation for generation, opcode in cls.opcodes.items() if command[:2] == bytes([opcode, 0])]
        if not spellings:
            raise ProtocolError(Text("not a {title} command", "kein Befehl {title}"), title=cls.title)
        for generation in spellings[:-1]:
            with suppress(ProtocolError):
                return cls.decode_fields(command, 2, generation)
        return cls.decode_fields(command, 2, spellings[-1])

    @classmethod
    def begins(cls, command: bytes) -> bool:
        """Tell whether the bytes of a command begin as one of this kind, of any generation."""
        return command[0] in cls.opcodes.values()


def take(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    """Return `length` bytes of `data` from `at`, and the offset behind them."""
    end = at + length
    if end > len(data):
        raise ProtocolError(
            Text(
                "{given} bytes expected at {at}, only {there} there",
                "bei {at} werden {given} Bytes erwartet, da sind nur {there}",
            ),
            given=length,
            at=at,
            there=len(data) - at,
        )
    return bytes(data[at:end]), end


def layout_of(record: type[Record], generation: Generation = Generation.ONE) -> tuple[tuple[str, Codec | None], ...]:
    """Return names and codecs of a record's fields, in order; `None` where the generation does not write the field."""
    key = (record, generation)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = tuple(
            (name, spelled.one if generation is Generation.ONE else spelled.two)
            for name, spelled in _spellings_of(record).items()
        )
    return _LAYOUTS[key]


def _spellings_of(record: type[Record]) -> dict[str, Spelled]:
    if record not in _SPELLINGS:  # looking at hints takes longer than a command has
        hints = get_type_hints(record, include_extras=True)
        found = {field.name: hints[field.name].__metadata__[0] for field in fields(record)}
        _SPELLINGS[record] = {
            name: codec if isinstance(codec, Spelled) else Spelled(codec, codec) for name, codec in found.items()
        }
    return _SPELLINGS[record]


_SPELLINGS: dict[type[Record], dict[str, Spelled]] = {}
_LAYOUTS: dict[tuple[type[Record], Generation], tuple[tuple[str, Codec | None], ...]] = {}
