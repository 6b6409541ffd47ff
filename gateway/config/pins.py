"""The PINs that an operator gives to the gateway."""

from collections.abc import Mapping

from gateway.errors import ConfigurationError
from gateway.tse.credentials import PIN_LENGTH

_ANY = ""


class Pins:
    """TimeAdmin PINs by serial, from one PIN for all TSEs or `serial:PIN` for each, separated by commas or lines.

    Raises:
        ConfigurationError: a PIN does not have five characters; the message does not show it.
    """

    def __init__(self, text: str = "") -> None:
        parts = [part.strip() for line in text.splitlines() for part in line.split(",")]
        self._pins: Mapping[str, bytes] = dict(_entry(part) for part in parts if part)

    def of(self, serial: str) -> bytes | None:
        """Return the PIN that the beginning of this serial (upper-case hex) names, else the one for all TSEs."""
        named = [pin for name, pin in self._pins.items() if name and serial.startswith(name)]
        return named[0] if named else self._pins.get(_ANY)

    def all(self) -> tuple[str, ...]:
        """Return every PIN, for hiding them from logs."""
        return tuple(pin.decode() for pin in self._pins.values())

    def __bool__(self) -> bool:
        return bool(self._pins)

    def __repr__(self) -> str:
        return "Pins(hidden)"


def _entry(part: str) -> tuple[str, bytes]:
    name, _, pin = part.rpartition(":")
    if len(pin) != PIN_LENGTH or not pin.isascii() or not pin.isprintable():
        raise ConfigurationError(f"a TimeAdmin PIN has {PIN_LENGTH} characters; several are given as serial:PIN")
    return name.strip().upper(), pin.encode()
