"""Makes an audit package while it is sent: first the protocol of the work, line by line, then what the work made."""

import asyncio
import json
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from gateway.access.audit import AuditLog
from gateway.access.caller import Caller
from gateway.archive.errors import ArchiveBusy, unwritable
from gateway.archive.run import Stopped
from gateway.archive.service import ArchiveService
from gateway.errors import GatewayError
from gateway.fleet.device import Device
from gateway.fleet.registry import Registry
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.operations.exports import Filter, NothingToExport
from gateway.operations.forecast import Forecasts
from gateway.operations.masterdata import check_digits
from gateway.operations.outage_report import OutageQuery, OutageReports
from gateway.server.api import audit, outage_report, outages, tses
from gateway.server.audit_package import checks, cover
from gateway.server.audit_package.cover import Cover, CoveredTse
from gateway.server.audit_package.exports import ArchivedSeries, demand_room, series_of, write_from_tse, write_series
from gateway.server.audit_package.place import PackagePlace
from gateway.server.audit_package.zip_stream import ZipStream, read_piece
from gateway.tse.info import Lifecycle
from gateway.verify.findings import FileReport

T = TypeVar("T")

_PIECE = 256 * 1024
_TELL = 2.0  # seconds between two lines of progress
_LONGEST_SILENCE = 30.0  # seconds until a line is sent without progress, lest somebody takes the connection for dead
_GERMAN = Locale("de")
_ANOTHER = Text(
    "another audit package is being made: wait until it is done",
    "es entsteht gerade ein anderes Paket für die Prüfung: warten, bis es fertig ist",
)
_NO_TSE = Text(
    "there is no TSE that has signed, and no archive of one",
    "es gibt keine TSE, die etwas signiert hat, und kein Archiv einer solchen",
)
_UNWANTED = Text("nobody waits for the package any more", "niemand wartet mehr auf das Paket")


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """What is asked for: from `since` until before `until` (Unix seconds, `None`: no limit), for `caller`."""

    since: float | None
    until: float | None
    fetch_lists: bool
    caller: Caller

    @property
    def filter(self) -> Filter:
        return Filter(_whole(self.since), None if self.until is None else (_whole(self.until) or 0) - 1)

    @property
    def period(self) -> str:
        """The period for people."""
        since = "Beginn der Aufzeichnung" if self.since is None else _GERMAN.time(self.since)
        return f"{since} bis {'heute' if self.until is None else _GERMAN.time(self.until - 1)}"


@dataclass(frozen=True, slots=True)
class PackageSources:
    """Where a package is made, and where its contents come from."""

    place: PackagePlace
    registry: Registry
    archives: ArchiveService
    outages: OutageReports
    audit: AuditLog
    forecasts: Forecasts


@dataclass(slots=True)
class _Made:
    """What the work has made: files on the disk and in memory, by their names in the package."""

    notes: list[str] = field(default_factory=list)
    files: dict[str, Path | bytes] = field(default_factory=dict)
    tses: list[CoveredTse] = field(default_factory=list)


class AuditPackage:
    """One package; `pieces` are the bytes of its ZIP file."""

    def __init__(self, sources: PackageSources, asked: PackageRequest, now: datetime) -> None:
        self._sources, self._asked, self._now = sources, asked, now
        self._place = sources.place
        self._lines: list[str] = []
        self._progress = ""
        self._stop = threading.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the package; what keeps it from being made at all is raised before the first piece.

        Raises:
            ArchiveBusy: another package is being made.
            NothingToExport: there is no TSE, and no archive of one.
            ArchiveNotWritten: no room on the disk.
            BadRequest: lists are to be fetched without trusted roots.
            GatewayError: it broke off in between.
        """
        checks.demand_trust(self._place, fetch_lists=self._asked.fetch_lists)
        async with self._directory() as directory:
            await self._demand_contents(directory)
            stream, made = ZipStream(self._now), _Made()
            stream.begin(cover.PROTOCOL)
            async with aclosing(self._work(directory, made)) as lines:
                async for line in lines:
                    yield stream.write(line)
            yield stream.end()
            for name in sorted(made.files):
                async for piece in _sent(stream, name, made.files[name]):
                    yield piece
            told = Cover(self._place.site, self._asked.period, self._now.timestamp(), made.tses, made.notes)
            yield stream.add(cover.COVER, cover.cover_page(told, stream.sent).encode())
            yield stream.add(cover.CHECKSUMS, cover.checksums(stream.sent))
            yield stream.finish()

    @asynccontextmanager
    async def _directory(self) -> AsyncIterator[Path]:
        if self._place.made.locked():
            raise ArchiveBusy(_ANOTHER)
        async with self._place.made:
            try:
                self._place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                for left in self._place.directory.iterdir():  # by a crash
                    await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
                directory = Path(tempfile.mkdtemp(dir=self._place.directory))
            except OSError as error:
                raise unwritable(self._place.directory, error) from None
            try:
                yield directory
            finally:
                await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _demand_contents(self, directory: Path) -> None:
        series = await self._series()
        if not series and not self._devices() and not await self._serials():
            raise NothingToExport(_NO_TSE)
        needed = 2 * sum(one.size for one in series)  # the exports, and the files of DSFinV-K
        demand_room(shutil.disk_usage(directory).free, needed, self._place.least_free)

    # ---- the work ----------------------------------------------------------------

    async def _work(self, directory: Path, made: _Made) -> AsyncGenerator[bytes, None]:
        """Do the work, and yield the lines of its protocol meanwhile; it is at its end when this returns or raises."""
        work = asyncio.create_task(self._make(directory, made), name="audit package")
        told = ""
        try:
            yield b""  # with it the beginning of the ZIP file is sent, so that the client has an answer at once
            quiet = 0.0
            while not work.done():
                await asyncio.wait([work], timeout=_TELL)
                if self._progress != told:
                    told = self._progress
                    self._tell(told)
                quiet = 0.0 if self._lines else quiet + _TELL
                if quiet > _LONGEST_SILENCE:
                    self._tell("in Arbeit")
                if self._lines:
                    yield self._fetched_lines()
            await work
        finally:
            self._stop.set()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _make(self, directory: Path, made: _Made) -> None:
        self._tell(f"Zeitraum: {self._asked.period}")
        await self._bring_archives_up_to_date(made)
        exports = await self._write_exports(directory, made)
        reports = await self._check(list(exports.values()), made)
        await self._add_master_data(exports, reports, made)
        await self._add_lists(made)
        self._tell("Das Paket ist vollständig.")

    async def _bring_archives_up_to_date(self, made: _Made) -> None:
        for device in self._devices() if self._place.archives else ():
            self._tell(f"TSE {device.serial}: Archiv wird ergänzt")
            try:
                await self._sources.archives.run(device.serial)
            except Stopped:
                raise
            except GatewayError as error:
                self._note(made, f"TSE {device.serial}: das Archiv konnte nicht ergänzt werden", error)

    async def _write_exports(self, directory: Path, made: _Made) -> dict[str, Path]:
        """Write the exports; return them by their names in the package."""
        written, archived = dict[str, Path](), await self._series()
        for series in archived:
            name = f"TSE_{series.serial}_{series.number}.tar"
            self._tell(f"{cover.EXPORTS}/{name}: wird aus dem Archiv geschrieben")
            if await write_series(self._sources.archives, series, self._asked.filter, directory / name):
                written[name] = directory / name
        for device in self._devices():
            if self._place.archives and device.serial in await self._serials():
                continue
            name = f"TSE_{device.serial}.tar"
            self._tell(f"{cover.EXPORTS}/{name}: wird aus der TSE gelesen")
            try:
                if await write_from_tse(device, self._asked.filter, directory / name):
                    written[name] = directory / name
            except GatewayError as error:
                self._note(made, f"TSE {device.serial}: der Export ist nicht gelungen", error)
                await asyncio.to_thread((directory / name).unlink, missing_ok=True)
        if not written:
            self._note(made, "In diesem Zeitraum hat keine TSE etwas signiert.")
        made.files |= {f"{cover.EXPORTS}/{name}": path for name, path in written.items()}
        return written

    async def _check(self, paths: list[Path], made: _Made) -> tuple[FileReport, ...]:
        if not paths:
            return ()
        checked = await self._beside(
            lambda: checks.check_exports(
                paths, self._place, self._now, fetch_lists=self._asked.fetch_lists, progress=self._checked
            )
        )
        made.files[f"{cover.REPORT}/pruefbericht.html"] = checked.page
        made.files[f"{cover.REPORT}/pruefbericht.json"] = checked.data
        if any(not report.revocation_checked for report in checked.reports):
            self._note(
                made, "Ob Zertifikate gesperrt sind, wurde nicht vollständig geprüft; der Prüfbericht sagt, warum."
            )
        self._tell(f"{cover.DSFINVK}: wird aus den Exporten geschrieben")
        directory = paths[0].parent / cover.DSFINVK
        try:
            for file in await self._beside(lambda: checks.write_dsfinvk(paths, directory, self._now)):
                made.files[f"{cover.DSFINVK}/{file.name}"] = file
        except GatewayError as error:
            self._note(made, "Die Dateien nach DSFinV-K sind nicht gelungen", error)
        return checked.reports

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread; when this is cancelled, the thread ends first, since it uses the files."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([running])
            raise
        except OSError as error:
            raise unwritable(self._place.directory, error) from None

    def _checked(self, name: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Stopped(_UNWANTED)
        self._progress = (
            f"{cover.EXPORTS}/{name}: {_GERMAN.number(done)} von {_GERMAN.number(total)} Nachrichten geprüft"
        )

    # ---- what is small -------------------------------------------------------------

    async def _add_master_data(self, exports: dict[str, Path], reports: tuple[FileReport, ...], made: _Made) -> None:
        by_tse = defaultdict[str, list[FileReport]](list)
        for report in reports:
            by_tse[report.file.split("_")[1].removesuffix(".tar")].append(report)
        for path in exports.values():
            serial = path.name.split("_")[1].removesuffix(".tar")
            certificates = await asyncio.to_thread(checks.certificates_of, path)
            made.files[f"{cover.CERTIFICATES}/TSE_{serial}.pem"] = checks.as_pem(certificates)
        devices = {device.serial: device for device in self._devices()}
        for serial in sorted({*devices, *by_tse}):
            device = devices.get(serial)
            known = None if device is None else await self._elster(device, made)
            made.tses.append(CoveredTse(serial, tuple(_facts(serial, known, by_tse[serial]))))
            if known is not None:
                made.files[f"{cover.MASTER_DATA}/TSE_{serial}.json"] = json.dumps(known, indent=1).encode()

    async def _elster(self, device: Device, made: _Made) -> dict[str, object] | None:
        try:
            return (await tses.elster_data(device, self._sources.forecasts)).model_dump(mode="json")
        except GatewayError as error:
            self._note(made, f"TSE {device.serial}: ihre Stammdaten waren nicht lesbar", error)
            return None

    async def _add_lists(self, made: _Made) -> None:
        asked, caller = self._asked, self._asked.caller
        report = await self._sources.outages.report(OutageQuery("", asked.since, asked.until))
        mine = tuple(one for one in report.outages if not one.serial or caller.may_use(one.serial))
        report = type(report)(report.site, report.made, report.span, mine)
        made.files[f"{cover.OUTAGES}/ausfaelle.html"] = outage_report.as_html(report, "de").encode()
        made.files[f"{cover.OUTAGES}/ausfaelle.csv"] = outage_report.as_csv(report, "de").encode()
        listed = outages.as_list(report, "de").model_dump_json(indent=1)
        made.files[f"{cover.OUTAGES}/ausfaelle.json"] = listed.encode()
        acts = await self._sources.audit.acts(asked.since, asked.until)
        made.files[f"{cover.ACTS}/handlungen.csv"] = audit.as_csv(
            (act for act in acts if caller.may_use(act.serial)), "de"
        ).encode()
        for file in checks.lists_in(self._place):
            made.files[f"{cover.LISTS}/{file.name}"] = await asyncio.to_thread(file.read_bytes)

    # ---- whose TSEs ----------------------------------------------------------------

    def _devices(self) -> list[Device]:
        """Return the TSEs that are there and have signed."""
        known = (one for one in self._sources.registry.devices() if one.info.lifecycle != Lifecycle.UNINITIALIZED)
        return [device for device in known if self._may_use(device.serial)]

    async def _serials(self) -> set[str]:
        """Return the TSEs of which something is archived."""
        await self._sources.archives.open()
        return {one.serial for one in self._sources.archives.all() if one.index.segments and self._may_use(one.serial)}

    def _may_use(self, serial: str) -> bool:
        return self._asked.caller.may_use(serial)

    async def _series(self) -> list[ArchivedSeries]:
        found: list[ArchivedSeries] = []
        serials = await self._serials()
        if not self._place.archives:  # what is left from before is of use only where the TSE is gone
            serials -= {device.serial for device in self._devices()}
        for archive in self._sources.archives.all():
            if archive.serial in serials:
                manifests = await asyncio.to_thread(archive.directory.manifests)
                found += series_of(archive.serial, manifests, self._asked.filter)
        return found

    # ---- the protocol ---------------------------------------------------------------

    def _note(self, made: _Made, text: str, error: GatewayError | None = None) -> None:
        if error is not None:
            text = f"{text}: {error.in_language('de')}"
        made.notes.append(text)
        self._tell(text)

    def _tell(self, text: str) -> None:
        self._lines.append(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\r\n")

    def _fetched_lines(self) -> bytes:
        lines, self._lines = self._lines, []
        return "".join(lines).encode()


async def _sent(stream: ZipStream, name: str, content: Path | bytes) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield stream.add(name, content)
        return
    stream.begin(name)
    at = 0
    while piece := await asyncio.to_thread(read_piece, content, at, _PIECE):
        at += len(piece)
        yield stream.write(piece)
    yield stream.end()


def _facts(serial: str, known: dict[str, object] | None, reports: list[FileReport]) -> Iterator[tuple[str, str]]:
    yield "Prüfziffern der Seriennummer", check_digits(bytes.fromhex(serial))
    if known is None:
        yield "Zustand", "nicht angeschlossen"
    else:
        yield "BSI-Zertifizierung", str(known["certification_id"] or "-")
        yield "Bauform, Firmware", f"{known['form_factor']}, {known['software_version']}"
        yield "In Betrieb seit", str(known["in_service_since"] or "-")
        yield "Zertifikat", f"{known['certificate_valid_from']} bis {known['certificate_valid_until']}"
    for report in reports:
        counts = report.counts
        span = next((one for one in report.spans if one.serial.hex().upper() == serial), None)
        counters = "" if span is None else f", Signaturzähler {span.first_counter} bis {span.last_counter}"
        yield (
            report.file,
            f"{_GERMAN.number(counts.messages)} Nachrichten, davon {_GERMAN.number(counts.valid)} gültig{counters}",
        )


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
