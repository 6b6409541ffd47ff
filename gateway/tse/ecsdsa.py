"""Verification of ECSDSA, Schnorr signatures on elliptic curves (BSI TR-03111 v2.10, 4.2.3).

The kept libraries have no such thing, so the arithmetic is here: in integers, with public values only, therefore
without care for timing. Points are (X, Y, Z) with x = X/Z^2 and y = Y/Z^3; Z is 0 at infinity.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ProtocolError
from gateway.i18n.text import Text

_Point = tuple[int, int, int]

# Prime and coefficient a of the curves that BSI TR-03116-5 allows (RFC 5639, FIPS 186-4); base point and order come
# from the library.
_CURVES = {
    "brainpoolP256r1": (
        0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
        0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    ),
    "brainpoolP384r1": (
        0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53,
        0x7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826,
    ),
    "brainpoolP512r1": (
        0xAADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA703308717D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3,
        0x7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA,
    ),
    "secp256r1": (2**256 - 2**224 + 2**192 + 2**96 - 1, -3),
    "secp384r1": (2**384 - 2**128 - 2**96 + 2**32 - 1, -3),
    "secp521r1": (2**521 - 1, -3),
}


def expect_known(curve: ec.EllipticCurve) -> None:
    """Raise `ProtocolError` if the curve is none that a TSE may use."""
    if curve.name not in _CURVES:
        raise ProtocolError(
            Text("ECSDSA on the curve {name} is not supported", "ECSDSA auf der Kurve {name} wird nicht unterstützt"),
            name=curve.name,
        )


def fits(r: int, s: int, signed: bytes, algorithm: hashes.HashAlgorithm, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether (r, s) is a signature of `key`, on a known curve, over the bytes `signed`."""
    curve = key.curve
    order, width = curve.group_order, (curve.key_size + 7) // 8
    if not 0 < s < order or not r:
        return False
    own = key.public_numbers()
    found = _combined(curve, s, -r % order, (own.x, own.y))  # [s]G - [r]P
    if found is None:
        return False
    digest = hashes.Hash(algorithm)
    digest.update(b"".join(value.to_bytes(width, "big") for value in found) + signed)
    return r == int.from_bytes(digest.finalize(), "big") >> max(0, 8 * algorithm.digest_size - order.bit_length())


def _combined(curve: ec.EllipticCurve, u: int, v: int, key: tuple[int, int]) -> tuple[int, int] | None:
    """Return [u]G + [v]P, P being the `key`; None at infinity. Both products share their doublings."""
    p, a = _CURVES[curve.name]
    base = ec.derive_private_key(1, curve).public_key().public_numbers()
    generator = (base.x, base.y)
    both = _affine(_plus((*generator, 1), key, p, a), p)
    point: _Point = (1, 1, 0)
    for bit in reversed(range(max(u.bit_length(), v.bit_length()))):
        point = _doubled(point, p, a)
        chosen = (None, generator, key, both)[(u >> bit & 1) + 2 * (v >> bit & 1)]
        if chosen is not None:
            point = _plus(point, chosen, p, a)
    return _affine(point, p)


def _doubled(point: _Point, p: int, a: int) -> _Point:
    x, y, z = point
    yy = y * y % p
    s, m = 4 * x * yy, 3 * x * x + a * pow(z, 4, p)
    x3 = (m * m - 2 * s) % p
    return x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p


def _plus(point: _Point, other: tuple[int, int], p: int, a: int) -> _Point:
    """Add a point that is not at infinity."""
    x, y, z = point
    if z == 0:
        return (*other, 1)
    zz = z * z % p
    h, r = (other[0] * zz - x) % p, (other[1] * zz * z - y) % p
    if h == 0:
        return (1, 1, 0) if r else _doubled(point, p, a)
    hh = h * h % p
    hhh, v = h * hh % p, x * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - y * hhh) % p, z * h % p


def _affine(point: _Point, p: int) -> tuple[int, int] | None:
    x, y, z = point
    if z == 0:
        return None
    inverse = pow(z, -1, p)
    return x * inverse * inverse % p, y * inverse**3 % p
