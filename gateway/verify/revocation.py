"""Revocation lists (RFC 5280), judged as BSI TR-03153-1 v1.1.1 demands (10.1 and 10.2.3).

Each certificate of a chain below its root needs the newest list of its issuer. The list is current, is signed with a
key whose certificate was valid when the list was made, and was obtained less than 24 hours ago. By the hybrid model the
moment that counts is the log time: a certificate must not be used from its revocation date on, nor from its invalidity
date on. A list that is out of date still proves a revocation, never that there is none. Delta lists are not used.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.errors import ConfigurationError, ProtocolError
from gateway.i18n.text import NOTHING, Text, joined, reason_of
from gateway.tse.certificates import by_serial, issuer_of, key_of, valid_at
from gateway.verify.keys import quiet

_NOT_KNOWN = Text("its certificate is not known", "ihr Zertifikat ist nicht bekannt")
_NO_LISTS = Text("no revocation lists were given", "es sind keine Sperrlisten angegeben")
_NO_LIST = Text(
    "no list of its issuer that is signed by it", "keine Sperrliste seines Ausstellers, die dieser signiert hat"
)
_OF_CERTIFICATE = Text("certificate {number:x}: {fault}", "Zertifikat {number:x}: {fault}")
_EARLY = Text("{file} is not valid before {time}", "{file} gilt erst ab {time}")
_NO_END = Text("{file} is out of date", "{file} ist nicht mehr aktuell")
_LATE = Text("{file} is out of date since {time}", "{file} ist seit {time} nicht mehr aktuell")
_OLD = Text(
    "{file} was obtained more than 24 hours ago, {time}", "{file} wurde vor mehr als 24 Stunden bezogen, {time}"
)
MAX_AGE = timedelta(hours=24)
NEVER = math.inf

_ENDINGS = (".crl", ".pem")
_MAX_BYTES = 64 * 1024 * 1024
_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """A list; `obtained` is when it came from the service of its issuer, as far as its file tells."""

    file: str
    content: x509.CertificateRevocationList
    obtained: datetime


class ListSource(Protocol):
    """Knows more lists."""

    def lists_for(
        self, certificate: x509.Certificate, issuers: Sequence[x509.Certificate]
    ) -> tuple[list[RevocationList], list[Text]]:
        """Return lists for a certificate with these issuers up to its root, and why some are not there."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Revocation:
    """What is known of revocations at the moment `now` of the check; `source` is asked for more."""

    lists: tuple[RevocationList, ...]
    now: datetime
    source: ListSource | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """`revoked_from`: Unix time from which on a chain must not be used. `unchecked`: why that is not known for sure."""

    revoked_from: float = NEVER
    unchecked: tuple[Text, ...] = ()


NO_CERTIFICATE = Standing(unchecked=(_NOT_KNOWN,))


def load_revocation(paths: Iterable[Path], now: datetime, source: ListSource | None = None) -> Revocation:
    """Return the lists (PEM or DER) in files, and in the files `.crl` and `.pem` of directories and all below them.

    A file is taken to have been obtained when it was last written.

    Raises:
        ConfigurationError: a path cannot be read, or there is no list in a file or directory.
    """
    return Revocation(tuple(found for path in paths for found in _lists_of(path)), now, source)


def revocations(certificates: Sequence[x509.Certificate], revocation: Revocation | None) -> dict[bytes, float]:
    """Return serial and time of revocation (Unix) of those whose chain is revoked at some time."""
    if revocation is None or not (revocation.lists or revocation.source):
        return {}
    known = tuple(dict.fromkeys(certificates))
    times = {serial: standing_of(one, known, revocation).revoked_from for serial, one in by_serial(known).items()}
    return {serial: time for serial, time in times.items() if time != NEVER}


@lru_cache(maxsize=64)
def standing_of(leaf: x509.Certificate, known: tuple[x509.Certificate, ...], revocation: Revocation) -> Standing:
    """Judge the chain from `leaf` to its root; `known` are the certificates of issuers. Cached: many files share it."""
    if not (revocation.lists or revocation.source):
        return Standing(unchecked=(_NO_LISTS,))
    revoked_from, unchecked = NEVER, list[Text]()
    with quiet():
        for certificate, issuers in _below_root(leaf, known):
            lists, problems = revocation.lists, list[Text]()
            if revocation.source is not None:
                fetched, problems = revocation.source.lists_for(certificate, issuers)
                lists = (*lists, *fetched)
            newest = max(_authentic(certificate, known, lists), key=_made, default=None)
            fault = _NO_LIST if newest is None else _fault(newest, revocation.now)
            if fault:
                told = _OF_CERTIFICATE.filled(number=certificate.serial_number, fault=fault)
                unchecked.append(joined([told, *problems], "; "))
            if newest is not None:
                revoked_from = min(revoked_from, _revoked_from(newest, certificate))
    return Standing(revoked_from, tuple(unchecked))


def _below_root(
    leaf: x509.Certificate, known: Sequence[x509.Certificate]
) -> list[tuple[x509.Certificate, list[x509.Certificate]]]:
    """Return the certificates that need a list, each with its issuers: all but the topmost, and the leaf in any case.

    The topmost is a root, or trusted by itself, or the chain has a finding of its own.
    """
    chain = [leaf]
    while True:
        issuer = issuer_of(chain[-1], known, chain[-1].not_valid_before_utc)
        if issuer is None or issuer in chain:
            break
        chain.append(issuer)
    return [(one, chain[at + 1 :]) for at, one in enumerate(chain[:-1] or chain)]


def _authentic(
    certificate: x509.Certificate, known: Sequence[x509.Certificate], lists: Iterable[RevocationList]
) -> Iterator[RevocationList]:
    for one in lists:
        made = _made(one)
        issuer = issuer_of(certificate, known, made)
        if issuer is None or not valid_at(issuer, made) or not _signed_by(issuer, one):
            continue
        try:
            if one.content.issuer == certificate.issuer and _covers(one.content, certificate):
                yield one
        except (ValueError, KeyError, x509.DuplicateExtension):
            continue  # a name or an extension that the library refuses


def _signed_by(issuer: x509.Certificate, one: RevocationList) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass  # early test authorities come without
    except (ValueError, x509.DuplicateExtension):
        return False
    try:
        return one.content.is_signature_valid(key_of(issuer))
    except (ProtocolError, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _covers(content: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Tell whether the list is complete for the certificate: no delta, not for certificates of another kind."""
    scope = None
    for extension in content.extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
        elif extension.critical:  # delta lists among them
            return False
    if scope is None:
        return True
    if scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons or scope.relative_name:
        return False
    if scope.only_contains_ca_certs if not _is_ca(certificate) else scope.only_contains_user_certs:
        return False
    return scope.full_name is None or not set(points_of(certificate)).isdisjoint(scope.full_name)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def points_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Return where the certificate says that lists are to be had."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return []
    return [name for point in points for name in point.full_name or ()]


def _fault(one: RevocationList, now: datetime) -> Text:
    """Return why the list is not current, empty if it is."""
    made, end = _made(one), one.content.next_update_utc
    if now < made:
        return _EARLY.filled(file=one.file, time=made.isoformat())
    if end is None or now >= end:
        return _NO_END.filled(file=one.file) if end is None else _LATE.filled(file=one.file, time=end.isoformat())
    if now - max(one.obtained, made) >= MAX_AGE:
        return _OLD.filled(file=one.file, time=one.obtained.isoformat(timespec="seconds"))
    return NOTHING


def _revoked_from(one: RevocationList, certificate: x509.Certificate) -> float:
    entry = one.content.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return NEVER
    revoked = entry.revocation_date_utc
    try:
        invalid = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except x509.ExtensionNotFound:
        return revoked.timestamp()
    except (ValueError, x509.DuplicateExtension):
        return -math.inf  # since when it is invalid cannot be read: it may be ever since
    return min(revoked, invalid).timestamp()


def _made(one: RevocationList) -> datetime:
    return one.content.last_update_utc


def load_lists(file: Path) -> list[RevocationList]:
    """Return the lists of a file, PEM (one or many) or DER; `ValueError` if it holds something else."""
    obtained = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return [RevocationList(str(file), content, obtained) for content in parse_lists(_content(file))]


def parse_lists(data: bytes) -> list[x509.CertificateRevocationList]:
    """Return the lists in PEM or DER; `ValueError` if it is something else."""
    try:
        if _BEGIN not in data:
            return [x509.load_der_x509_crl(data)]
        return [x509.load_pem_x509_crl(_BEGIN + block.partition(_END)[0] + _END) for block in data.split(_BEGIN)[1:]]
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from None


def _lists_of(path: Path) -> list[RevocationList]:
    try:
        files = _files(path) if path.is_dir() else [path]
        found = [one for file in files for one in _load(file)]
    except OSError as error:
        raise ConfigurationError(
            Text(
                "revocation lists in {path} cannot be read: {reason}",
                "Sperrlisten in {path} lassen sich nicht lesen: {reason}",
            ),
            path=path,
            reason=reason_of(error),
        ) from None
    if not found:
        raise ConfigurationError(Text("no revocation list in {path}", "keine Sperrliste in {path}"), path=path)
    return found


def _files(directory: Path) -> list[Path]:
    files = sorted(file for file in directory.rglob("*") if file.suffix.lower() in _ENDINGS and file.is_file())
    return [file for file in files if file.suffix.lower() != ".pem" or _BEGIN in _content(file)]


def _load(file: Path) -> list[RevocationList]:
    try:
        return load_lists(file)
    except ValueError as error:
        raise ConfigurationError(
            Text("{file} is not a revocation list: {error}", "{file} ist keine Sperrliste: {error}"),
            file=file,
            error=error,
        ) from None


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MAX_BYTES)
