"""The key of a simulated TSE, its signatures, and a certificate chain that says "simulator" in every name."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.simulator.assumptions import MARK
from gateway.tse.certificates import serial_of
from gateway.tse.signatures import plain_signature

_FIELD_BYTES = 48
_CA_LIFE = timedelta(days=20 * 365)
_BACKDATED = timedelta(hours=1)  # a TSE created now is valid also for clocks that are a little slow


@dataclass(frozen=True)
class SigningKey:
    """A brainpoolP384r1 key; `serial` is the SHA-256 of its public point."""

    private: ec.EllipticCurvePrivateKey
    public_point: bytes
    serial: bytes

    @classmethod
    def of(cls, private: ec.EllipticCurvePrivateKey) -> "SigningKey":
        """Wrap a private key."""
        public = private.public_key()
        return cls(private, public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), serial_of(public))

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a new key."""
        return cls.of(_new_key())

    @classmethod
    def load(cls, pem: bytes) -> "SigningKey":
        """Read a key in PEM; `ConfigurationError` when it is no such key."""
        try:
            private = load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                Text(
                    "the key of the simulated TSE cannot be read: {error}",
                    "der Schlüssel der simulierten TSE lässt sich nicht lesen: {error}",
                ),
                error=error,
            ) from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.BrainpoolP384R1):
            raise ConfigurationError(
                Text(
                    "the key of the simulated TSE is not on brainpoolP384r1",
                    "der Schlüssel der simulierten TSE liegt nicht auf brainpoolP384r1",
                )
            )
        return cls.of(private)

    def pem(self) -> bytes:
        """Return the private key in PEM, unencrypted: it protects nothing but test data."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, data: bytes) -> bytes:
        """Sign by ecdsa-plain-SHA384; return r||s, 96 bytes."""
        return plain_signature(self.private.sign(data, ec.ECDSA(hashes.SHA384())), _FIELD_BYTES)


def certificate_chain(key: SigningKey, *, created: datetime, valid: timedelta) -> bytes:
    """Return leaf, CA and root in PEM, in this order; the keys of CA and root are forgotten at once."""
    root_key, ca_key = _new_key(), _new_key()
    root_name, ca_name = _name(f"TSE {MARK} Root CA 1"), _name(f"TSE {MARK} CA 1")
    start = created - _BACKDATED
    root = _ca_certificate(root_name, root_name, root_key.public_key(), root_key, start, path_length=1)
    ca = _ca_certificate(ca_name, root_name, ca_key.public_key(), root_key, start, path_length=0)
    leaf = _leaf_certificate(key, ca_name, ca_key, start, created + valid)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (leaf, ca, root))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.BrainpoolP384R1())


def _name(common_name: str, qualifier: str = "") -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"tse-gateway {MARK}"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if qualifier:
        attributes.append(x509.NameAttribute(NameOID.DN_QUALIFIER, qualifier))
    return x509.Name(attributes)


def _ca_certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    start: datetime,
    *,
    path_length: int,
) -> x509.Certificate:
    builder = _builder(subject, issuer, public, signer, (start, start + _CA_LIFE))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_usage(signs_certificates=True), critical=True).sign(signer, hashes.SHA384())


def _leaf_certificate(
    key: SigningKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.Certificate:
    # The common name is the hash of the key, as on the newer real devices; the qualifier marks test certificates.
    subject = _name(key.serial.hex(), f"--{MARK}--")
    builder = _builder(subject, issuer, key.private.public_key(), signer, (start, end))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(_usage(signs_certificates=False), critical=True).sign(signer, hashes.SHA384())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    start, end = validity
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, end - timedelta(seconds=1)).astimezone(UTC))
        .not_valid_after(end.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
