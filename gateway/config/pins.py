"""The TimeAdmin PINs that operators give to the gateway: in the settings, and at a set-up on the status page."""

import asyncio
from pathlib import Path

from gateway.errors import ConfigurationError, UnfitValue
from gateway.i18n.text import Text
from gateway.storage.atomic import read_private, write_private
from gateway.tse.credentials import PIN_LENGTH

KEPT = "time-admin-pins.txt"  # in the state directory: `serial:PIN` lines
_ANY = ""


class Pins:
    """TimeAdmin PINs by serial, from one PIN for all TSEs or `serial:PIN` for each, separated by commas or lines.

    The file at `path` has those that were given while the gateway ran; those of `text` count before them. `given` is
    set once there is a PIN.

    Raises:
        UnfitValue: a PIN does not have five characters; the message does not show it.
        ConfigurationError: the file cannot be read, or is damaged.
    """

    def __init__(self, text: str = "", path: Path | None = None) -> None:
        self._path = path
        kept = b"" if path is None else read_private(path) or b""
        try:
            self._kept = _entries(kept.decode("utf-8", errors="replace"))
        except UnfitValue as error:
            raise ConfigurationError(
                Text(
                    "{path} is damaged: {error}; remove it, and give the PINs anew",
                    "{path} ist beschädigt: {error}; die Datei löschen und die PINs neu angeben",
                ),
                path=path,
                error=error,
            ) from None
        self._pins = _entries(text)
        self._pins |= {name: pin for name, pin in self._kept.items() if name not in self._pins}
        self.given = asyncio.Event()
        if self._pins:
            self.given.set()

    def of(self, serial: str) -> bytes | None:
        """Return the PIN that the beginning of this serial (upper-case hex) names, else the one for all TSEs."""
        named = [pin for name, pin in self._pins.items() if name and serial.startswith(name)]
        return named[0] if named else self._pins.get(_ANY)

    def keep(self, serial: str, pin: bytes) -> None:
        """Keep the PIN of the TSE with this serial, also over restarts. Blocks.

        Raises:
            ConfigurationError: the file cannot be written, or there is none.
        """
        if self._path is None:
            raise ConfigurationError(Text("this gateway keeps no PINs", "dieses Gateway bewahrt keine PINs auf"))
        entry = dict([_entry(f"{serial}:{pin.decode(errors='replace')}")])
        kept = self._kept | entry
        write_private(self._path, "".join(f"{name}:{known.decode()}\n" for name, known in kept.items()).encode())
        self._kept, self._pins = kept, entry | {name: pin for name, pin in self._pins.items() if name not in entry}

    def all(self) -> tuple[str, ...]:
        """Return every PIN, for hiding them from logs."""
        return tuple(pin.decode() for pin in self._pins.values())

    def __bool__(self) -> bool:
        return bool(self._pins)

    def __repr__(self) -> str:
        return "Pins(hidden)"


def _entries(text: str) -> dict[str, bytes]:
    parts = [part.strip() for line in text.splitlines() for part in line.split(",")]
    return dict(_entry(part) for part in parts if part)


def _entry(part: str) -> tuple[str, bytes]:
    name, _, pin = part.rpartition(":")
    if len(pin) != PIN_LENGTH or not pin.isascii() or not pin.isprintable():
        raise UnfitValue(
            Text(
                "a TimeAdmin PIN has {length} characters; several are given as serial:PIN",
                "eine TimeAdmin-PIN hat {length} Zeichen; mehrere schreibt man als Seriennummer:PIN",
            ),
            length=PIN_LENGTH,
        )
    return name.strip().upper(), pin.encode()
