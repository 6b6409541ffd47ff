"""ECSDSA made for tests by the plain formulas of BSI TR-03111: affine points, one bit after the other.

Nothing is shared with the verifier: the numbers of a curve are read from openssl.
"""

import hashlib
import re
import subprocess
from dataclasses import dataclass
from functools import cache

_OPENSSL_NAMES = {"secp256r1": "prime256v1"}
_Point = tuple[int, int] | None


@dataclass(frozen=True)
class PlainCurve:
    p: int
    a: int
    n: int
    base: tuple[int, int]

    def add(self, one: _Point, other: _Point) -> _Point:
        if one is None or other is None:
            return other if one is None else one
        if one[0] == other[0] and (one[1] + other[1]) % self.p == 0:
            return None
        if one == other:
            slope = (3 * one[0] ** 2 + self.a) * pow(2 * one[1], -1, self.p)
        else:
            slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, self.p)
        x = (slope**2 - one[0] - other[0]) % self.p
        return x, (slope * (one[0] - x) - one[1]) % self.p

    def times(self, scalar: int) -> _Point:
        """That multiple of the base point."""
        found: _Point = None
        power: _Point = self.base
        while scalar:
            found = self.add(found, power) if scalar & 1 else found
            power, scalar = self.add(power, power), scalar >> 1
        return found


@cache
def plain_curve(name: str) -> PlainCurve:
    """The curve as openssl knows it."""
    call = ["openssl", "ecparam", "-name", _OPENSSL_NAMES.get(name, name), "-param_enc", "explicit", "-noout", "-text"]
    text = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    found = {
        title: int(re.sub(r"[\s:]", "", digits), 16)
        for title, digits in re.findall(
            r"^(Prime|A|Order|Generator \(uncompressed\)): *\n((?: +[0-9a-f:]+\n)+)", text, re.MULTILINE
        )
    }
    bits = 8 * ((found["Prime"].bit_length() + 7) // 8)
    point = found["Generator (uncompressed)"]
    base = (point >> bits & (1 << bits) - 1, point & (1 << bits) - 1)
    return PlainCurve(found["Prime"], found["A"], found["Order"], base)


def sign(curve: PlainCurve, private: int, nonce: int, signed: bytes, hash_name: str) -> bytes:
    """r||s; `hash_name` as hashlib has it."""
    width = (curve.p.bit_length() + 7) // 8
    point = curve.times(nonce)
    assert point is not None
    digest = hashlib.new(hash_name, b"".join(value.to_bytes(width, "big") for value in point) + signed)
    r = int(bin(int.from_bytes(digest.digest(), "big") | 1 << 8 * digest.digest_size)[3:][: curve.n.bit_length()], 2)
    s = (nonce + r * private) % curve.n
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")
