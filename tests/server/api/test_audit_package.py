"""The audit package: whole, explained, verified; one at a time, and nothing is left behind."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.access.audit import AuditLog
from gateway.access.caller import Caller, Role
from gateway.archive.errors import ArchiveBusy
from gateway.archive.run import ArchiveOptions
from gateway.archive.service import ArchiveService
from gateway.fleet.outages.log import OutageLog
from gateway.operations.forecast import Forecasts
from gateway.operations.outage_report import OutageReports
from gateway.server.audit_package.package import AuditPackage, PackageRequest, PackageSources
from gateway.server.audit_package.place import PackagePlace
from gateway.tse.commands import SetTime
from gateway.verify.files import verify_file
from tests.server.api.client import Api, api_of, make_ready
from tests.server.shop import Served, serve, settings_for
from tests.support import NOW, receipt

PATH = "/../../audit-package"
SMALL = {
    "Protokoll.txt",
    "Deckblatt.html",
    "SHA256SUMS.txt",
    "Ausfaelle/ausfaelle.html",
    "Ausfaelle/ausfaelle.csv",
    "Ausfaelle/ausfaelle.json",
    "Handlungen/handlungen.csv",
}


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    """A shop that sold on two days."""
    await make_ready(served, b"POS-1")
    device = served.registry.devices()[0]
    for day in (1, 2):
        await device.command(SetTime(NOW + 86_400 * day).encode())
        await receipt(device.command, device, b"POS-1")
    async with api_of(served) as made:
        yield made


def day(number: int) -> str:
    return datetime.fromtimestamp(NOW + 86_400 * number, UTC).isoformat()


async def package(api: Api, **params: str) -> zipfile.ZipFile:
    reply = await api.get(PATH, params=params)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/zip")
    return zipfile.ZipFile(io.BytesIO(reply.body))


async def test_it_holds_everything_and_explains_and_verifies_it(api: Api, tmp_path: Path) -> None:
    serial = api.served.serial
    found = await package(api)
    names = set(found.namelist())
    assert names == SMALL | {
        f"TAR/TSE_{serial}_1.tar",
        f"Zertifikate/TSE_{serial}.pem",
        f"Stammdaten/TSE_{serial}.json",
        "Pruefbericht/pruefbericht.html",
        "Pruefbericht/pruefbericht.json",
        "DSFinV-K/tse.csv",
        "DSFinV-K/transactions_tse.csv",
    }
    assert found.testzip() is None
    lines = [line.split("  ") for line in found.read("SHA256SUMS.txt").decode().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert set(sums) == names - {"SHA256SUMS.txt"}
    assert all(hashlib.sha256(found.read(name)).hexdigest() == digest for name, digest in sums.items())
    cover = found.read("Deckblatt.html").decode()
    assert all(name in cover for name in names - {"Deckblatt.html", "SHA256SUMS.txt"})
    assert not re.search(r"<td></td>", cover)  # each file is explained
    assert serial in cover
    (report,) = json.loads(found.read("Pruefbericht/pruefbericht.json"))
    assert report["valid"] == report["messages"] > 4
    assert report["severity"] == "warning"  # revocation is not checked, which the cover tells
    assert "Ob Zertifikate gesperrt sind" in cover
    assert json.loads(found.read(f"Stammdaten/TSE_{serial}.json"))["tse_serial"] == serial
    found.extractall(tmp_path)
    assert verify_file(str(tmp_path / "TAR" / f"TSE_{serial}_1.tar")).counts.valid == report["messages"]
    assert len((tmp_path / "DSFinV-K" / "transactions_tse.csv").read_text().splitlines()) == 3


async def test_only_the_period_is_in_it(api: Api) -> None:
    found = await package(api, **{"from": day(2)})
    assert len(found.read("DSFinV-K/transactions_tse.csv").decode().splitlines()) == 2
    (report,) = json.loads(found.read("Pruefbericht/pruefbericht.json"))
    assert report["messages"] < 6
    empty = await package(api, **{"from": "2020-01-01", "to": "2020-01-31"})
    assert set(empty.namelist()) == SMALL | {f"Stammdaten/TSE_{api.served.serial}.json"}
    assert "In diesem Zeitraum hat keine TSE etwas signiert." in empty.read("Deckblatt.html").decode()


async def test_one_package_is_made_at_a_time_and_nothing_is_left_of_one_that_nobody_waits_for(
    api: Api, tmp_path: Path
) -> None:
    served, everybody = api.served, Caller("chief", Role.AUDITOR)
    asked = PackageRequest(None, None, fetch_lists=False, caller=everybody)
    place = PackagePlace(tmp_path / "made", tmp_path / "crls", archives=True, trust=(), site="", least_free=0)
    options = ArchiveOptions(least_free=0)
    archives = ArchiveService(served.registry, served.metrics, tmp_path / "archive", options)
    outages = OutageReports(OutageLog(tmp_path), served.registry, "")
    sources = PackageSources(
        *(place, served.registry, archives, outages, AuditLog(tmp_path / "audit.jsonl"), Forecasts())
    )
    async with aclosing(AuditPackage(sources, asked, datetime.now(UTC)).pieces()) as first:
        assert (await anext(first)).startswith(b"PK")
        with pytest.raises(ArchiveBusy):
            await anext(AuditPackage(sources, asked, datetime.now(UTC)).pieces())
    assert list(place.directory.iterdir()) == []
    pieces = [piece async for piece in AuditPackage(sources, asked, datetime.now(UTC)).pieces()]
    assert zipfile.ZipFile(io.BytesIO(b"".join(pieces))).testzip() is None
    await archives.close()


async def test_lists_are_fetched_only_below_trusted_roots(api: Api) -> None:
    refused = await api.get(PATH, params={"fetch_crls": "true"})
    assert refused.status == 400
    assert "GATEWAY_ARCHIVE_TRUST" in refused.json["detail"]


async def test_a_gateway_without_archive_reads_the_tse_and_writes_no_archive(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, archive=False)
    async with serve(settings) as served, api_of(served) as api:
        nothing = await api.get(PATH)
        assert (nothing.status, nothing.json["code"]) == (404, "nothing_to_export")  # a fresh TSE has signed nothing
        await make_ready(served, b"POS-1")
        device = served.registry.devices()[0]
        await receipt(device.command, device, b"POS-1")
        found = await package(api)
        assert f"TAR/TSE_{served.serial}.tar" in found.namelist()
        assert len(found.read("DSFinV-K/transactions_tse.csv").decode().splitlines()) == 2
    assert not (settings.state_dir / "archive" / served.serial).exists()
