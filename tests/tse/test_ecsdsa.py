"""ECSDSA: the vectors of ISO/IEC 14888-3 (TR-03111 has none), and signatures made by plain arithmetic."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ProtocolError
from gateway.tse.signatures import ALGORITHMS, fits
from tests.tse.samples import CURVES
from tests.tse.schnorr import plain_curve, sign

HASHES = {
    "SHA224": "sha224",
    "SHA256": "sha256",
    "SHA384": "sha384",
    "SHA512": "sha512",
    "SHA3-224": "sha3_224",
    "SHA3-256": "sha3_256",
    "SHA3-384": "sha3_384",
    "SHA3-512": "sha3_512",
}
SHA384 = ALGORITHMS["ecsdsa-plain-SHA384"]
P256 = plain_curve("secp256r1")
NONCE, PRIVATE = 0xC0FFEE << 200, 0xBEEF << 210

# Curve, hash, private key, signature over "abc".
VECTORS = [
    (
        ec.SECP256R1(),
        "SHA256",
        "5202a3d8acaf6909d12c9a774cd886f9fba61137ffd3e8e76aed363fb47ac492",
        (
            "5a79a0aa9b241e381a594b220554d096a5f09fa628ad9a33c3ce4393ade1def7"
            "5c0eb78b67a513c3e53b2619f96855e291d5141c7cd0915e1d04b347457c9601"
        ),
    ),
    (
        ec.SECP384R1(),
        "SHA384",
        "7e4914fe4b617089f9fe80ad913d5530eec4f30bca1ad66e7b5aeacf29d2f567d9a8f4a4552a1a1af3e0b6d0a49dfcc8",
        (
            "f907553bb5c7de029a2a567078dff9b803ec64960d75ba73a85590acc0ac4479ac52e51d5691fcb069dc5cd24e0bcec7"
            "0b9d66d5de70faa8b35634a37b33c2c460b8dc0bd4c8745bb84dc15ca8570b079258f977da8b4061f3da6ebd7c429a89"
        ),
    ),
]


def public_key(private: int, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(private, curve).public_key()


@pytest.mark.parametrize(("curve", "hash_name", "private", "signature"), VECTORS, ids=["secp256r1", "secp384r1"])
def test_the_vectors_of_the_standard_fit(curve: ec.EllipticCurve, hash_name: str, private: str, signature: str) -> None:
    key, oid = public_key(int(private, 16), curve), ALGORITHMS[f"ecsdsa-plain-{hash_name}"]
    assert fits(bytes.fromhex(signature), b"abc", oid, key)
    assert not fits(bytes.fromhex(signature), b"abd", oid, key)


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
@pytest.mark.parametrize("name", list(HASHES))
def test_each_curve_with_each_hash(curve: ec.EllipticCurve, name: str) -> None:
    signature = sign(plain_curve(curve.name), PRIVATE, NONCE, b"signed", HASHES[name])
    oid = ALGORITHMS[f"ecsdsa-plain-{name}"]
    assert fits(signature, b"signed", oid, public_key(PRIVATE, curve))
    assert not fits(signature, b"signed", oid, public_key(PRIVATE + 1, curve))
    for place in (0, len(signature) - 1):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not fits(bytes(changed), b"signed", oid, public_key(PRIVATE, curve))


def test_the_numbers_of_the_algorithms_are_those_of_tr_03111() -> None:
    root = bytes.fromhex("04007f000701010404")
    assert [ALGORITHMS[f"ecsdsa-plain-{name}"] for name in HASHES] == [root + bytes([number]) for number in range(1, 9)]


@pytest.mark.parametrize("private", [1, 2, P256.n - 1, P256.n - 2])
def test_keys_beside_the_base_point(private: int) -> None:
    signature = sign(P256, private, NONCE, b"signed", "sha384")
    assert fits(signature, b"signed", SHA384, public_key(private, ec.SECP256R1()))


def test_a_signature_that_leads_to_infinity_does_not_fit() -> None:
    r = 12345
    signature = r.to_bytes(32, "big") + (r * PRIVATE % P256.n).to_bytes(32, "big")
    assert not fits(signature, b"signed", SHA384, public_key(PRIVATE, ec.SECP256R1()))


def test_numbers_out_of_their_range_do_not_fit() -> None:
    key, good = public_key(PRIVATE, ec.SECP256R1()), sign(P256, PRIVATE, NONCE, b"signed", "sha384")
    assert fits(good, b"signed", SHA384, key)
    for r, s in [(bytes(32), good[32:]), (good[:32], bytes(32)), (good[:32], P256.n.to_bytes(32, "big"))]:
        assert not fits(r + s, b"signed", SHA384, key)


def test_s_and_s_beyond_the_order_are_not_the_same() -> None:
    first = sign(P256, 0, NONCE, b"signed", "sha384")  # its r depends on the nonce alone
    r = int.from_bytes(first[:32], "big")
    private = (1 - NONCE) * pow(r, -1, P256.n) % P256.n  # with which s = nonce + r * private is 1
    key = public_key(private, ec.SECP256R1())
    assert fits(first[:32] + (1).to_bytes(32, "big"), b"signed", SHA384, key)
    assert not fits(first[:32] + (P256.n + 1).to_bytes(32, "big"), b"signed", SHA384, key)


def test_a_curve_that_no_tse_may_use_is_no_verdict() -> None:
    with pytest.raises(ProtocolError, match="curve secp256k1 is not supported"):
        fits(bytes(64), b"", SHA384, public_key(1, ec.SECP256K1()))
