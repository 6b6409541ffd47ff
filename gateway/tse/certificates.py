"""Certificates of a TSE, found by the hash of their key.

The common name of a TSE certificate is no reliable serial number and its subject may
hold values that parsers refuse; the SHA-256 of the public point always fits.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ProtocolError
from gateway.tse.logmessage import serial_of

_PEM_MARK = b"-----BEGIN"


def load(data: bytes) -> list[x509.Certificate]:
    """All certificates of a file, PEM (one or many) or DER, told apart by content.

    Raises:
        ProtocolError: neither of the two.
    """
    try:
        if _PEM_MARK in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise ProtocolError(f"not a certificate: {error}") from None


def key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """The elliptic-curve key in a certificate; `ProtocolError` for another kind."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError(f"the key of the certificate cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ProtocolError("the certificate holds no elliptic-curve key")
    return key


def by_serial(certificates: Iterable[x509.Certificate]) -> dict[bytes, x509.Certificate]:
    """Serial number (SHA-256 of the point, 32 bytes) to certificate, for those with such a key."""
    found = {}
    for certificate in certificates:
        try:
            found[serial_of(key_of(certificate))] = certificate
        except ProtocolError:
            continue
    return found


def chain_problems(leaf: x509.Certificate, others: Sequence[x509.Certificate], at: datetime) -> list[str]:
    """What is wrong with the chain from `leaf` upwards at the time `at`; empty when it holds.

    Follows issuer names through `others` up to a self-signed certificate. Whether that
    root is to be trusted is for the caller to say.
    """
    problems: list[str] = []
    current, seen = leaf, 0
    while True:
        if not current.not_valid_before_utc <= at <= current.not_valid_after_utc:
            problems.append(f"certificate {current.serial_number:x} was not valid at {at.isoformat()}")
        issuer = next((other for other in [*others, current] if _issued(other, current)), None)
        if issuer is None:
            problems.append(f"the issuer of certificate {current.serial_number:x} is missing")
            return problems
        if issuer == current:
            return problems
        current, seen = issuer, seen + 1
        if seen > len(others):
            problems.append("the chain of certificates goes in a circle")
            return problems


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
