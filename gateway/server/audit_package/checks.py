"""What is made of the exports of an audit package: the report of their verification, certificates, files of DSFinV-K.

Everything here blocks, and works beside the gateway: in a process of low priority where it takes long.
"""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import BadRequest, GatewayError
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.audit_package.place import PackagePlace
from gateway.tse import log_names
from gateway.verify import tar
from gateway.verify.archive import begin_work
from gateway.verify.fetching import ListFetcher
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import FileReport, Findings
from gateway.verify.html_report import as_html
from gateway.verify.report import as_data
from gateway.verify.revocation import Revocation, load_revocation
from gateway.verify.scan import load_certificates
from gateway.verify.sections import section_of
from gateway.verify.trust import load_trust
from gateway.verify.tse_files import write_tse_files

_GERMAN = Locale("de")
_ROOTS_NEEDED = Text(
    "revocation lists are fetched only for certificates below a trusted one: GATEWAY_ARCHIVE_TRUST names it",
    "Sperrlisten werden nur für Zertifikate unter einem vertrauten geholt: GATEWAY_ARCHIVE_TRUST nennt es",
)
_KILLED = Text(
    "the process that wrote the files was killed; is there too little memory?",
    "der Prozess, der die Dateien schrieb, wurde beendet; fehlt Arbeitsspeicher?",
)


@dataclass(frozen=True, slots=True)
class CheckedExports:
    """The reports on the exports, in their order, as the files of a package."""

    reports: tuple[FileReport, ...]
    page: bytes
    data: bytes


def check_exports(
    paths: Sequence[Path],
    place: PackagePlace,
    now: datetime,
    *,
    fetch_lists: bool,
    progress: Callable[[str, int, int], None],
) -> CheckedExports:
    """Verify exports as `tse-gateway verify` does, against the roots and lists of `place`.

    Raises:
        ConfigurationError: roots or lists cannot be read, or lists are to be fetched without roots.
        GatewayError: a process that checked was killed.
    """
    anchors = load_trust(place.trust)
    options = Options(anchors=anchors, revocation=_revocation(place, now, fetch_lists=fetch_lists), background=True)
    reports = [replace(verify_file(str(path), options, partial(progress, path.name)), file=path.name) for path in paths]
    page = as_html([section_of(report, _GERMAN) for report in reports], _GERMAN, now)
    data = json.dumps([as_data(report, "de") for report in reports], indent=1, ensure_ascii=False)
    return CheckedExports(tuple(reports), page.encode(), data.encode())


def demand_trust(place: PackagePlace, *, fetch_lists: bool) -> None:
    """Make sure that lists are fetched only for chains that are trusted; errors as of `check_exports`."""
    if fetch_lists and not place.trust:
        raise BadRequest(_ROOTS_NEEDED)


def lists_in(place: PackagePlace) -> list[Path]:
    """Return the files of revocation lists that are at hand."""
    return sorted(place.lists.glob("*.crl")) if place.lists.is_dir() else []


def certificates_of(path: Path) -> list[x509.Certificate]:
    """Return the certificates of an export, which stand before its log messages."""
    found: list[x509.Certificate] = []
    with path.open("rb") as file:
        for entry in tar.entries(file, 0, path.stat().st_size, Findings()):
            if entry.name.endswith(log_names.ENDING):
                break
            if entry.name.lower().endswith((".pem", ".cer", ".crt", ".der")):
                file.seek(entry.start)
                found += load_certificates(file.read(entry.size), entry.name, Findings())
    return found


def as_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return certificates as PEM."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def write_dsfinvk(paths: Sequence[Path], directory: Path, now: datetime) -> tuple[Path, Path]:
    """Write tse.csv and transactions_tse.csv of exports; errors as of `write_tse_files`."""
    context = multiprocessing.get_context("spawn")  # the gateway has threads, which a fork would break
    with ProcessPoolExecutor(1, context, begin_work, (True,)) as pool:
        try:
            written = pool.submit(_written, paths, directory, now).result()
        except BrokenProcessPool:
            raise GatewayError(_KILLED) from None
    if isinstance(written, Text):
        raise GatewayError(written)
    return written


def _written(paths: Sequence[Path], directory: Path, now: datetime) -> tuple[Path, Path] | Text:
    """Return the files, or why they were not written: errors with texts do not come through from another process."""
    try:
        return write_tse_files(paths, directory, now)
    except GatewayError as error:
        return error.text


def _revocation(place: PackagePlace, now: datetime, *, fetch_lists: bool) -> Revocation:
    known = [place.lists] if lists_in(place) else []
    trusted = load_trust(place.trust)
    source = ListFetcher(place.lists, trusted, now) if fetch_lists and trusted is not None else None
    return load_revocation(known, now, source)
