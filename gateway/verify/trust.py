"""Trusted certificates given by the user, and the chains of certificates that lead to them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigurationError, ProtocolError
from gateway.i18n.text import Text, reason_of
from gateway.tse.certificates import by_serial, chain_problems
from gateway.tse.sectors import SECTOR
from gateway.verify import tar
from gateway.verify.findings import SERIAL, Code, CounterSpan, Findings
from gateway.verify.keys import load_quietly, quiet
from gateway.verify.report import iso_time
from gateway.verify.revocation import NEVER, NO_CERTIFICATE, Revocation, Standing, standing_of

_FROM = Text("from {time} on", "ab {time}")
CERTIFICATE_ENDINGS = (".cer", ".crt", ".der", ".pem")
MAX_CERTIFICATES = 16 * 1024 * 1024  # bytes of a file

Certificates = tuple[x509.Certificate, ...]


def load_trust(paths: Iterable[Path]) -> Certificates | None:
    """Return all certificates of files, and of directories with all below them; None when no path is given.

    Raises:
        ConfigurationError: a path cannot be read, or there is no certificate at all.
    """
    paths = list(paths)
    if not paths:
        return None
    found = [certificate for path in paths for file in _files(path) for certificate in _load(file)]
    if not found:
        raise ConfigurationError(
            Text("no certificate in {files}", "kein Zertifikat in {files}"), files=", ".join(map(str, paths))
        )
    return tuple(found)


def check_chains(
    spans: Iterable[CounterSpan],
    certificates: Sequence[x509.Certificate],
    anchors: Certificates | None,
    findings: Findings,
    revocation: Revocation | None = None,
) -> None:
    """Check the chain of every TSE with messages, at the first and the last of their log times.

    Messages signed after a revocation are found where messages are checked. Without `revocation` nothing is told of it.
    """
    every = tuple(dict.fromkeys([*certificates, *(anchors or ())]))
    known = by_serial(every)
    others = tuple(dict.fromkeys(certificates))
    for span in spans:
        leaf = known.get(span.serial)
        if leaf is not None:
            _check_chain(leaf, others, anchors, span, findings)
        if revocation is not None:
            standing = NO_CERTIFICATE if leaf is None else standing_of(leaf, every, revocation)
            _tell_revocation(standing, span, findings)


def _check_chain(
    leaf: x509.Certificate, others: Certificates, anchors: Certificates | None, span: CounterSpan, findings: Findings
) -> None:
    place = SERIAL.filled(serial=span.serial.hex())
    if anchors is None and others in ((), (leaf,)):
        findings.add(Code.CHAIN_INCOMPLETE, place)
        return
    times = tuple(sorted({_within(leaf, span.earliest), _within(leaf, span.latest)}))
    for problem in _problems(leaf, others, anchors, times):
        findings.add(Code.CHAIN_BROKEN, place, problem)
    if anchors is None:
        findings.add(Code.CHAIN_UNANCHORED, place)


def _tell_revocation(standing: Standing, span: CounterSpan, findings: Findings) -> None:
    place = SERIAL.filled(serial=span.serial.hex())
    for reason in standing.unchecked:
        findings.add(Code.REVOCATION_UNCHECKED, place, reason)
    if span.latest < standing.revoked_from < NEVER:
        findings.add(Code.CERTIFICATE_REVOKED_LATER, place, _FROM, time=iso_time(int(standing.revoked_from)))


@lru_cache(maxsize=64)
def _problems(
    leaf: x509.Certificate, others: Certificates, anchors: Certificates | None, times: tuple[datetime, ...]
) -> list[Text]:
    """Return the problems of a chain at all times, each once. Cached: many exports have the same chain."""
    with quiet():
        found = [problem for time in times for problem in chain_problems(leaf, others, time, anchors)]
    return list(dict.fromkeys(found))


def _within(leaf: x509.Certificate, time: int) -> datetime:
    """Return `time`, or the nearest at which the leaf was valid: other messages have findings of their own."""
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return datetime.fromtimestamp(min(max(time, start.timestamp()), end.timestamp()), UTC)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in CERTIFICATE_ENDINGS and file.is_file())


def _load(file: Path) -> list[x509.Certificate]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_CERTIFICATES)
        # Certificates within an export prove nothing, though their PEM could be found there.
        return load_quietly(b"" if tar.looks_like(data[:SECTOR]) else data)
    except OSError as error:
        raise ConfigurationError(
            Text(
                "trusted certificates in {file} cannot be read: {reason}",
                "die Vertrauenszertifikate in {file} lassen sich nicht lesen: {reason}",
            ),
            file=file,
            reason=reason_of(error),
        ) from None
    except ProtocolError as error:
        raise ConfigurationError(
            Text(
                "trusted certificates in {file} cannot be read: {error}",
                "die Vertrauenszertifikate in {file} lassen sich nicht lesen: {error}",
            ),
            file=file,
            error=error,
        ) from None


def canonical(data: bytes, certificates: Sequence[x509.Certificate]) -> bool:
    """Return whether the bytes are these certificates, in PEM or DER, and nothing else."""
    forms = (Encoding.PEM, Encoding.DER)
    return data in [b"".join(one.public_bytes(form) for one in certificates) for form in forms]
