"""Certificates of a TSE, found by the hash of their key.

The common name of a TSE certificate is no reliable serial number and its subject may
hold values that parsers refuse; the SHA-256 of the public point always fits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import ProtocolError
from gateway.i18n.text import Text

_PEM_MARK = b"-----BEGIN"
_NOT_VALID = Text("certificate {number:x} was not valid at {time}", "Zertifikat {number:x} war um {time} nicht gültig")
_NO_ISSUER = Text("the issuer of certificate {number:x} is missing", "der Aussteller des Zertifikats {number:x} fehlt")
_NOT_TRUSTED = Text("the root {number:x} is not trusted", "der Wurzel {number:x} wird nicht vertraut")
_CIRCLE = Text("the chain of certificates goes in a circle", "die Zertifikatskette geht im Kreis")
_NO_CA = Text(
    "certificate {number:x} may not issue certificates", "Zertifikat {number:x} darf keine Zertifikate ausstellen"
)


def load(data: bytes) -> list[x509.Certificate]:
    """Return all certificates of a file, PEM (one or many) or DER, told apart by content.

    Raises:
        ProtocolError: neither of the two.
    """
    try:
        if _PEM_MARK in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except (ValueError, x509.InvalidVersion) as error:
        raise ProtocolError(Text("not a certificate: {error}", "kein Zertifikat: {error}"), error=error) from None


def key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """Return the elliptic-curve key in a certificate; `ProtocolError` for another kind."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError(
            Text(
                "the key of the certificate cannot be read: {error}",
                "der Schlüssel des Zertifikats lässt sich nicht lesen: {error}",
            ),
            error=error,
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ProtocolError(
            Text(
                "the certificate holds no elliptic-curve key",
                "im Zertifikat steht kein Schlüssel auf einer elliptischen Kurve",
            )
        )
    return key


def serial_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the serial number of a TSE: SHA-256 of its uncompressed public point, 32 bytes (BSI TR-03153)."""
    return hashlib.sha256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).digest()


def by_serial(certificates: Iterable[x509.Certificate]) -> dict[bytes, x509.Certificate]:
    """Map serial number (SHA-256 of the point, 32 bytes) to certificate, for those with such a key."""
    found = {}
    for certificate in certificates:
        try:
            found[serial_of(key_of(certificate))] = certificate
        except ProtocolError:
            continue
    return found


def chain_problems(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    at: datetime,
    anchors: Sequence[x509.Certificate] | None = None,
) -> list[Text]:
    """Return what is wrong with the chain from `leaf` upwards at the time `at`; empty when it holds.

    Follows issuer names through `others` and `anchors` up to an anchor. Without anchors, up
    to a self-signed certificate; whether that is to be trusted is for the caller to say.
    """
    trusted = anchors or ()
    problems: list[Text] = []
    current, seen = leaf, [leaf]
    while True:
        if not valid_at(current, at):
            problems.append(_NOT_VALID.filled(number=current.serial_number, time=at.isoformat()))
        if current in trusted:
            return problems
        issuer = issuer_of(current, others, at, trusted)
        if issuer is None:
            return [*problems, _NO_ISSUER.filled(number=current.serial_number)]
        if issuer == current:
            untrusted = [] if anchors is None else [_NOT_TRUSTED.filled(number=current.serial_number)]
            return [*problems, *untrusted]
        if issuer in seen:
            return [*problems, _CIRCLE]
        if not _may_issue(issuer):
            problems.append(_NO_CA.filled(number=issuer.serial_number))
        seen.append(issuer)
        current = issuer


def issuer_of(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    at: datetime,
    trusted: Sequence[x509.Certificate] = (),
) -> x509.Certificate | None:
    """Return who issued `certificate`: one of `others` or `trusted`, itself when it is self-signed; None if unknown.

    A root may have been renewed under its old name and key: the one that is valid `at` that time is taken.
    """
    issuers = sorted(
        (other for other in [*others, certificate, *trusted] if _issued(other, certificate)),
        key=lambda c: (valid_at(c, at), c in trusted),
    )
    return issuers[-1] if issuers else None


def valid_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Return whether the time lies in the certificate's validity."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return _issued(certificate, certificate)  # early test roots come without; trust in a root is the caller's
    except (ValueError, x509.DuplicateExtension):
        return False
