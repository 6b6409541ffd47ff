"""Signatures are r||s, each as wide as the field of the curve: neither longer nor shorter ones fit."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ProtocolError
from gateway.tse.signatures import ALGORITHMS, fits, plain_signature

KEY, SIGNED, WIDTH = ec.generate_private_key(ec.SECP256R1()), b"signed", 32
OID = ALGORITHMS["ecdsa-plain-SHA256"]


def signature() -> bytes:
    return plain_signature(KEY.sign(SIGNED, ec.ECDSA(hashes.SHA256())), WIDTH)


def with_a_zero_at(place: int) -> bytes:
    """A signature with a zero byte there, as about each 256th has."""
    return next(made for made in iter(signature, b"") if made[place] == 0)


def test_a_signature_fits_what_was_signed_and_nothing_else() -> None:
    made = signature()
    assert fits(made, SIGNED, OID, KEY.public_key())
    assert not fits(made, b"other", OID, KEY.public_key())
    assert not fits(made[WIDTH:] + made[:WIDTH], SIGNED, OID, KEY.public_key())


def test_a_longer_signature_does_not_fit_though_its_numbers_are_right() -> None:
    made = signature()
    assert not fits(made[:WIDTH] + b"\0" + made[WIDTH:], SIGNED, OID, KEY.public_key())


def test_a_shorter_signature_does_not_fit_though_its_numbers_are_right() -> None:
    made = with_a_zero_at(WIDTH)
    assert fits(made, SIGNED, OID, KEY.public_key())
    assert not fits(made[:WIDTH] + made[WIDTH + 1 :], SIGNED, OID, KEY.public_key())


@pytest.mark.parametrize("oid", [b"", OID + b"\0", OID[:-1] + b"\1", ALGORITHMS["ecdsa-plain-SHA384"][:-2] + b"\4\x09"])
def test_an_algorithm_that_is_not_known_is_no_verdict(oid: bytes) -> None:
    with pytest.raises(ProtocolError, match="is not supported"):
        fits(signature(), SIGNED, oid, KEY.public_key())
