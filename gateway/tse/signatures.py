"""Signature algorithms of log messages by their OIDs (BSI TR-03151, TR-03116-5), and how a signature is verified.

A signature is r||s, each filled up with zeros to the width of the field: 64, 96 or 128 bytes on a curve of 256, 384 or
512 bits.
"""

from collections.abc import Callable
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import ecsdsa

_ECDSA = bytes.fromhex("04007f000701010401")  # ecdsa-plain, 0.4.0.127.0.7.1.1.4.1
_ECSDSA = bytes.fromhex("04007f000701010404")  # ecsdsa-plain, 0.4.0.127.0.7.1.1.4.4

# By the last number of the OID of ECDSA.
_HASHES: dict[int, tuple[str, Callable[[], hashes.HashAlgorithm]]] = {
    2: ("SHA224", hashes.SHA224),
    3: ("SHA256", hashes.SHA256),
    4: ("SHA384", hashes.SHA384),
    5: ("SHA512", hashes.SHA512),
    8: ("SHA3-224", hashes.SHA3_224),
    9: ("SHA3-256", hashes.SHA3_256),
    10: ("SHA3-384", hashes.SHA3_384),
    11: ("SHA3-512", hashes.SHA3_512),
}
ECDSA_SHA384 = _ECDSA + b"\x04"
# By name, for example `ecdsa-plain-SHA384`. The numbers of ECSDSA count the same hashes without a gap, from 1.
ALGORITHMS = {f"ecdsa-plain-{name}": _ECDSA + bytes([number]) for number, (name, _) in _HASHES.items()} | {
    f"ecsdsa-plain-{name}": _ECSDSA + bytes([number]) for number, (name, _) in enumerate(_HASHES.values(), start=1)
}
_HASH_OF = {
    ALGORITHMS[f"{kind}-plain-{name}"]: made() for kind in ("ecdsa", "ecsdsa") for name, made in _HASHES.values()
}
_ECDSA_OF = {oid: ec.ECDSA(algorithm) for oid, algorithm in _HASH_OF.items()}
_NAMES = {oid: name for name, oid in ALGORITHMS.items()}


def algorithm_name(oid: bytes) -> str:
    """Return for example `ecdsa-plain-SHA384`; the bytes of the OID in hex when nobody knows it."""
    return _NAMES.get(oid, oid.hex())


def fits(signature: bytes, signed: bytes, oid: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether `signature` is one of `key`; see `check`."""
    return check(signature, signed, oid, key)()


def check(signature: bytes, signed: bytes, oid: bytes, key: ec.EllipticCurvePublicKey) -> Callable[[], bool]:
    """Return what tells whether `signature` is one of `key` (on any named curve) over the bytes `signed`.

    When it is called, only the arithmetic is left to do.

    Raises:
        ProtocolError: the algorithm is none that can be verified here.
    """
    if oid not in _NAMES:
        raise ProtocolError(
            Text("signature algorithm {name} is not supported", "das Signaturverfahren {name} wird nicht unterstützt"),
            name=algorithm_name(oid),
        )
    width = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * width:
        return lambda: False
    r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
    if oid[:-1] == _ECSDSA:
        ecsdsa.expect_known(key.curve)
        return partial(ecsdsa.fits, r, s, signed, _HASH_OF[oid], key)
    return partial(_ecdsa_fits, key, utils.encode_dss_signature(r, s), signed, _ECDSA_OF[oid])


def _ecdsa_fits(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes, algorithm: ec.ECDSA) -> bool:
    try:  # r and s outside 1 to n-1 are refused there
        key.verify(signature, signed, algorithm)
    except InvalidSignature:
        return False
    return True


def plain_signature(der: bytes, width: int) -> bytes:
    """Return r||s, each filled up to `width` bytes, from a signature in DER."""
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")
