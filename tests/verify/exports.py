"""Exports made for a test: any curve, any order, any defect, signed for real."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.tse.certificates import serial_of
from gateway.tse.der import integer_element
from gateway.tse.logmessage import LogMessage, UnsignedMessage
from gateway.tse.signatures import plain_signature
from gateway.tse.tar import END, INFO_NAME, member

NOW = 1_790_000_000
CLIENT = b"POS-1"
INFO = b'"description:","test","manufacturer:","test","version:","1"\n'
INFO_MEMBER = member(INFO_NAME, INFO, mtime=NOW)

Curve = type[ec.EllipticCurve]


@dataclass(frozen=True)
class Authority:
    """A root, a CA below it, and the certificates they issue."""

    root: x509.Certificate
    ca: x509.Certificate
    ca_key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str = "Test") -> "Authority":
        root_key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = _issue(f"{name} Root", root_key.public_key(), f"{name} Root", root_key, ca=True)
        return cls(root, _issue(f"{name} CA", ca_key.public_key(), f"{name} Root", root_key, ca=True), ca_key)

    def certificate(self, public: ec.EllipticCurvePublicKey, *, days: int = 2000) -> x509.Certificate:
        """That of a TSE with this key."""
        return _issue("TSE", public, self.ca.subject, self.ca_key, ca=False, days=days)


@cache
def authority() -> Authority:
    """The usual one."""
    return Authority.create()


@dataclass
class Tse:
    """A key with its certificate, and a counter."""

    curve: Curve = ec.SECP256R1
    issuer: Authority = field(default_factory=authority)
    days: int = 2000
    counter: int = 0

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(self.curve())
        self.serial = serial_of(self.key.public_key())
        self.leaf = self.issuer.certificate(self.key.public_key(), days=self.days)
        self.chain = (self.leaf, self.issuer.ca, self.issuer.root)

    def step(
        self, number: int, operation: str = "Start", *, client: bytes = CLIENT, time: int = NOW, counter: int = 0
    ) -> bytes:
        """A step of a transaction as a log message; the next counter unless one is given."""
        return self._seal(
            UnsignedMessage.transaction(
                operation=f"{operation}Transaction",
                client_id=client,
                process_data=b"" if operation == "Start" else b"Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar",
                process_type=b"" if operation == "Start" else b"Kassenbeleg-V1",
                number=number,
                serial=self.serial,
                counter=counter or self._next(),
                log_time=integer_element(time),
            )
        )

    def receipt(self, number: int, *, time: int = NOW) -> list[bytes]:
        """Start and finish."""
        return [self.step(number, "Start", time=time), self.step(number, "Finish", time=time)]

    def system(self, operation: str = "UpdateTime", *, time: int = NOW) -> bytes:
        """A system log without data."""
        counter = self._next()
        return self._seal(
            UnsignedMessage.system(
                operation=operation, data=b"", serial=self.serial, counter=counter, log_time=integer_element(time)
            )
        )

    def export(self, messages: Sequence[bytes]) -> bytes:
        """A complete archive in the usual order."""
        return INFO_MEMBER + self.certificate_member() + b"".join(map(log_member, messages)) + END

    def certificate_member(self) -> bytes:
        return member(f"{self.serial.hex().upper()}_X509.pem", pem(*self.chain), mtime=NOW)

    def _next(self) -> int:
        self.counter += 1
        return self.counter

    def _seal(self, draft: UnsignedMessage) -> bytes:
        width = (self.key.curve.key_size + 7) // 8
        signature = self.key.sign(draft.to_be_signed, ec.ECDSA(hashes.SHA384()))
        return draft.sealed(plain_signature(signature, width))


def log_member(message: bytes) -> bytes:
    """A log message under its right name."""
    return member(LogMessage.decode(message).file_name, message, mtime=NOW)


def receipts(tse: Tse, count: int) -> Iterator[bytes]:
    """Log messages of `count` receipts, a second apart."""
    for number in range(1, count + 1):
        yield from tse.receipt(number, time=NOW + number)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _issue(
    subject: str,
    public: ec.EllipticCurvePublicKey,
    issuer: str | x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    days: int = 5000,
) -> x509.Certificate:
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer) if isinstance(issuer, str) else issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
