"""The keys that signatures are checked with, in a form that can be passed to other processes."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from gateway.tse.certificates import by_serial, key_of, load

Keyring = tuple[tuple[bytes, bytes, float], ...]  # serial, DER certificate, time of revocation; sorted


@dataclass(frozen=True, slots=True)
class Key:
    """A TSE's public key; its certificate was valid between two Unix times, and its chain not yet revoked."""

    public: ec.EllipticCurvePublicKey
    not_before: float
    not_after: float
    revoked_from: float


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings about negative serial numbers, which certificates of test devices have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def load_quietly(data: bytes) -> list[x509.Certificate]:
    """Load certificates without warnings; see `certificates.load`."""
    with quiet():
        return load(data)


def keyring(certificates: Iterable[x509.Certificate], revocations: Mapping[bytes, float] | None = None) -> Keyring:
    """Return the certificates that have an elliptic-curve key; `revocations`: since when (Unix time), by serial."""
    since = revocations or {}
    found = by_serial(certificates).items()
    return tuple(sorted((serial, one.public_bytes(Encoding.DER), since.get(serial, math.inf)) for serial, one in found))


@lru_cache(maxsize=8)
def keys_of(ring: Keyring) -> dict[bytes, Key]:
    """Return the keys by serial. Cached, since a process checks many pieces of one file."""
    return {serial: _key(load_quietly(data)[0], revoked_from) for serial, data, revoked_from in ring}


def _key(certificate: x509.Certificate, revoked_from: float) -> Key:
    return Key(
        key_of(certificate),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        revoked_from,
    )
