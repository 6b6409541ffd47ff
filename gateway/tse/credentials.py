"""The PINs and the PUK that a TSE leaves the factory with (LAN-TSE protocol)."""

import hashlib
from dataclasses import dataclass

from gateway.errors import BadRequest

RETAIL_SEED = b"SwissbitSwissbit"
MAX_SEED = 32
PIN_LENGTH = 5
PUK_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Credentials:
    """PUK and PINs in decimal digits; never log one."""

    admin_puk: bytes
    admin_pin: bytes
    time_admin_pin: bytes

    def __repr__(self) -> str:
        return "Credentials(hidden)"


def initial_credentials(seed: bytes, serial: bytes) -> Credentials:
    """Derive PUK and PINs from the seed of the reseller (at most 32 bytes) and the serial (32 bytes).

    The words of SHA-256(seed || serial), each modulo a power of ten. `BadRequest` for a longer seed.
    """
    if len(seed) > MAX_SEED:
        raise BadRequest(f"a seed has at most {MAX_SEED} bytes")
    digest = hashlib.sha256(seed + serial).digest()
    words = [int.from_bytes(digest[at : at + 8], "big") for at in (0, 8, 16)]
    puk, admin, time_admin = (
        str(word % 10**digits).zfill(digits).encode()
        for word, digits in zip(words, (PUK_LENGTH, PIN_LENGTH, PIN_LENGTH), strict=True)
    )
    return Credentials(puk, admin, time_admin)
