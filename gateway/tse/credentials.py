"""The PINs and the PUK that a TSE leaves the factory with (LAN-TSE protocol)."""

import hashlib
from dataclasses import dataclass

from gateway.errors import BadRequest
from gateway.i18n.text import Text
from gateway.tse.commands import User
from gateway.tse.fields import Generation

RETAIL_SEED = b"SwissbitSwissbit"
MAX_SEED = 32
PIN_LENGTH = 5
PUK_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Credentials:
    """PUKs and PINs in decimal digits; never log one. Generation 1 has one PUK, in `admin_puk`, and no logger."""

    admin_puk: bytes
    admin_pin: bytes
    time_admin_pin: bytes
    time_admin_puk: bytes = b""
    logger_puk: bytes = b""
    logger_pin: bytes = b""

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    @property
    def pins(self) -> dict[User, bytes]:
        """The PINs by user."""
        pins = {User.ADMIN: self.admin_pin, User.TIME_ADMIN: self.time_admin_pin, User.LOGGER: self.logger_pin}
        return {user: pin for user, pin in pins.items() if pin}

    @property
    def puks(self) -> dict[User, bytes]:
        """The PUKs by user; that of generation 1 is the Admin's."""
        puks = {User.ADMIN: self.admin_puk, User.TIME_ADMIN: self.time_admin_puk, User.LOGGER: self.logger_puk}
        return {user: puk for user, puk in puks.items() if puk}


def initial_credentials(seed: bytes, serial: bytes, generation: Generation = Generation.ONE) -> Credentials:
    """Derive PUKs and PINs from the seed of the reseller (at most 32 bytes) and the serial (32 bytes).

    The words of SHA-256(seed || serial), each modulo a power of ten: of 64 bits in generation 1, of 32 bits in
    generation 2. `BadRequest` for a longer seed.
    """
    if len(seed) > MAX_SEED:
        raise BadRequest(Text("a seed has at most {most} bytes", "ein Seed hat höchstens {most} Bytes"), most=MAX_SEED)
    digest = hashlib.sha256(seed + serial).digest()

    def digits(word: int, length: int) -> bytes:
        size = 8 if generation is Generation.ONE else 4
        return str(int.from_bytes(digest[word * size : (word + 1) * size], "big") % 10**length).zfill(length).encode()

    if generation is Generation.ONE:
        return Credentials(digits(0, PUK_LENGTH), digits(1, PIN_LENGTH), digits(2, PIN_LENGTH))
    return Credentials(
        admin_puk=digits(0, PUK_LENGTH),
        admin_pin=digits(1, PIN_LENGTH),
        time_admin_puk=digits(2, PUK_LENGTH),
        time_admin_pin=digits(3, PIN_LENGTH),
        logger_puk=digits(4, PUK_LENGTH),
        logger_pin=digits(5, PIN_LENGTH),
    )
