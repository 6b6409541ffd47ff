"""An archive of thousands of segments at real servers: cuts, kills, a full disk, refusals; audit and restore.

python -m tests.archive.targets.proof --segments 10000 --storage ceph
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from minio.error import S3Error

from gateway.archive.directory import ArchiveDirectory
from gateway.archive.run import ArchiveOptions
from gateway.archive.service import ArchiveService
from gateway.archive.targets.audit import audit
from gateway.archive.targets.connect import target_of
from gateway.archive.targets.restore import restore_archive
from gateway.archive.targets.upload import ArchiveUpload
from gateway.config.archive_target import ArchiveTargetSettings
from gateway.driver.usb.block import BlockDriver
from gateway.errors import GatewayError
from gateway.fleet.registry import Attachment, Registry
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.telemetry.metrics import Metrics
from tests.archive.targets import ceph, openssh
from tests.archive.targets.cuts import cutting_proxy
from tests.archive.targets.servers import ObjectStorage, object_storage
from tests.archive.test_trouble import small_disk
from tests.support import export, receipt, set_up

SITE = "hamburg"


class Shop:
    """A simulated TSE and its archive below `root`."""

    def __init__(self, root: Path) -> None:
        self.archive = root / "archive"
        self.tse = SimulatedTse.create(root / "tse", durable=False)
        self.registry = Registry(Metrics())

    @property
    def serial(self) -> str:
        return self.tse.serial.hex().upper()

    async def __aenter__(self) -> Self:
        driver = partial(BlockDriver.open, lambda: SimulatedTransport(self.tse), name="tse")
        await self.registry.reconcile([Attachment("simulator", driver)])
        self.device = self.registry.devices()[0]
        await set_up(self.device.command, self.tse.serial, now=int(time.time()) + 60)
        await self.device.read_info()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.close()
        self.tse.close()

    async def sell(self, receipts: int, data: bytes = b"Beleg^1.00") -> None:
        for _ in range(receipts):
            await receipt(self.device.command, self.device, data=data)

    async def write_archive(self, **options: int) -> ArchiveService:
        archives = ArchiveService(self.registry, Metrics(), self.archive, ArchiveOptions(**options))  # type: ignore[arg-type]
        await archives.run(self.serial)
        return archives


def upload(settings: ArchiveTargetSettings, archive: Path, serial: str) -> None:
    """Upload as the gateway does; in the process of `killed_upload` or in this one."""
    directory = ArchiveDirectory(archive, serial)
    ArchiveUpload(directory, SITE, settings.name).run(lambda: target_of(settings), directory.index(), datetime.now(UTC))


def in_process(settings: ArchiveTargetSettings, archive: Path, serial: str, *before: str) -> "subprocess.Popen[str]":
    plain = settings.model_dump(mode="json") | {"secret": settings.secret and settings.secret.get_secret_value()}
    given = json.dumps({"settings": plain, "archive": str(archive), "serial": serial})
    program = [sys.executable, "-m", "tests.archive.targets.proof", "--upload", given]
    return subprocess.Popen([*before, *program], stdout=subprocess.PIPE, text=True)


def upload_through_cuts_and_kills(settings: ArchiveTargetSettings, archive: Path, serial: str) -> str:
    """Kill the process that uploads after a few seconds, again and again; its line is cut all the time."""
    kills = attempts = 0
    port = int(settings.url.split("/")[2].rpartition(":")[2])
    with cutting_proxy(port) as proxy:
        cut = settings.model_copy(update={"url": settings.url.replace(f":{port}/", f":{proxy.port}/")})
        longest = 4.0
        while True:
            attempts += 1
            with in_process(cut, archive, serial) as process:
                try:
                    process.wait(random.uniform(1.0, longest))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    longest *= 1.5
            if process.returncode == 0:
                return f"{attempts} attempts, {kills} of them killed, {proxy.cuts} connections cut"


def refused(work: Callable[[], object]) -> str:
    try:
        work()
    except (GatewayError, S3Error) as error:
        return str(error)[:150]
    raise AssertionError("it was not refused")


def timed(title: str, work: Callable[[], str]) -> None:
    began = time.monotonic()
    said = work()
    print(f"{title}: {said} ({time.monotonic() - began:.1f} s)", flush=True)


async def many_segments(root: Path, storage: ObjectStorage, segments: int) -> None:
    (root / "many").mkdir()
    async with Shop(root / "many") as shop:
        await shop.sell(segments // 2)
        await shop.write_archive(segment_bytes=1)
        exported = await export(shop.device)
        settings = storage.settings(url=f"http://{storage.address}/{storage.bucket}/many")
        serial, archive = shop.serial, shop.archive
    connect = partial(target_of, settings)

    def uploaded() -> str:
        return upload_through_cuts_and_kills(settings, archive, serial)

    def audited(*, read: bool) -> str:
        (found,) = audit(connect, read=read)
        assert (found.ready, found.gaps, found.faults) == (True, [], []), found
        return f"{found.segments} segments, {found.messages} messages, signatures 1 - {found.last_counter}, ready"

    def restored() -> str:
        (chain,) = restore_archive(connect, "", root / "restored")
        assert chain.faults == []
        return f"{chain.segments} segments, {chain.bytes} bytes"

    def kept_once() -> str:
        """Whatever was repeated, there is one version of each file, and none can be deleted."""
        listed = storage.client.list_objects(storage.bucket, "many", recursive=True, include_version=True)
        versions = [(str(one.object_name), str(one.version_id)) for one in listed]
        assert len({name for name, _ in versions}) == len(versions)
        for name, version in random.sample(versions, 20):
            refused(lambda name=name, version=version: storage.client.remove_object(storage.bucket, name, version))  # type: ignore[misc]
        return f"{len(versions)} files, one version of each; 20 deletions refused"

    timed("uploaded through cuts and kills", uploaded)
    timed("audit", partial(audited, read=False))
    timed("audit --read", partial(audited, read=True))
    timed("versions", kept_once)
    timed("restored", restored)
    archives = ArchiveService(Registry(Metrics()), Metrics(), root / "restored", ArchiveOptions())
    volume = await archives.restore(serial, None)
    assert b"".join([piece async for piece in volume.read(0, volume.size)]) == exported
    print("the restored store is the export of the TSE, byte for byte", flush=True)


async def refusals(root: Path, storage: ObjectStorage) -> None:
    (root / "few").mkdir()
    async with Shop(root / "few") as shop:
        await shop.sell(2)
        await shop.write_archive()
    settings = storage.settings(url=f"http://{storage.address}/{storage.bucket}/few")

    def tried(*before: str, **changed: object) -> str:
        given = ArchiveTargetSettings.model_validate(settings.model_dump() | changed)
        with in_process(given, shop.archive, shop.serial, *before) as process:
            said = process.stdout.read() if process.stdout else ""
        return f"status {process.returncode}: {said.strip() or 'uploaded'}"[:200]

    print("wrong key_id:", tried(key_id="nobody"))
    print("wrong secret:", tried(secret="wrong"))
    print("clock a day ahead:", tried("faketime", "-f", "+1d"))
    print("as it should be:", tried())


def full_disk(root: Path) -> None:
    """By SFTP to a disk that is full, then has room."""
    source = root / "source"
    source.write_bytes(os.urandom(1_000_000))
    (root / "keys").mkdir()
    with small_disk(root / "disk") as disk, openssh.openssh(root / "keys", root / "disk") as settings:
        with target_of(settings) as target:
            disk.fill()
            print("SFTP, full disk:", refused(lambda: target.put("a/one", source)))
            disk.enlarge()
            target.put("a/one", source)
            assert b"".join(target.read("a/one")) == source.read_bytes()
        print("SFTP, enlarged: written and read back")
        for work in ("remove", "rename over it"):
            print(f"SFTP, {work}:", asyncio.run(_by_hand(settings, work)))


async def _by_hand(settings: ArchiveTargetSettings, work: str) -> str:
    import asyncssh
    from yarl import URL

    url = URL(settings.url)
    key = asyncssh.import_public_key(settings.host_key)
    async with (
        asyncssh.connect(
            str(url.host),
            url.port or 22,
            client_keys=[str(settings.key_file)],
            known_hosts=([key], [], []),
            config=None,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        try:
            if work == "remove":
                await sftp.remove(f"{url.path}/a/one")
            else:
                async with sftp.open(f"{url.path}/a/two", "wb") as file:
                    await file.write(b"other")
                await sftp.rename(f"{url.path}/a/two", f"{url.path}/a/one")
        except asyncssh.SFTPError as error:
            return f"refused: {error.reason}"
    raise AssertionError(f"{work} was not refused")


async def tills(root: Path, storage: ObjectStorage) -> None:
    """How long receipts take while segments of 64 MiB are uploaded by the same process; its memory."""
    (root / "large").mkdir()
    async with Shop(root / "large") as shop:
        await shop.sell(1100, data=os.urandom(60_000))
        await shop.write_archive()
        alone = await _percentiles(shop)
        settings = storage.settings(url=f"http://{storage.address}/{storage.bucket}/large")
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        thread = threading.Thread(target=upload, args=(settings, shop.archive, shop.serial))
        thread.start()
        beside = await _percentiles(shop, thread.is_alive)
        thread.join()
        seconds = time.monotonic() - began
        size = sum(path.stat().st_size for path in (shop.archive / shop.serial).glob("*.tar"))
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"receipts alone: {alone}; beside the upload: {beside}")
    print(f"{size / 1e6:.0f} MB sent and read back: {size / seconds / 1e6:.1f} MB/s; {more / 1024:.0f} MiB more memory")


async def _percentiles(shop: Shop, going_on: Callable[[], bool] = lambda: False) -> str:
    times: list[float] = []
    while len(times) < 200 or going_on():
        began = time.perf_counter()
        await receipt(shop.device.command, shop.device, data=b"Beleg^1.00")
        times.append(1000 * (time.perf_counter() - began))
    cuts = statistics.quantiles(times, n=100)
    return f"median {cuts[49]:.1f} ms, 99 % below {cuts[98]:.1f} ms ({len(times)})"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--storage", choices=("moto", "ceph"), default="moto")
    parser.add_argument("--upload", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.upload:
        told = json.loads(given.upload)
        try:
            upload(ArchiveTargetSettings.model_validate(told["settings"]), Path(told["archive"]), told["serial"])
        except GatewayError as error:
            print(error)
            sys.exit(1)
        return
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="targets-")))
        (root / "ceph").mkdir()
        storage = stack.enter_context(ceph.ceph(root / "ceph") if given.storage == "ceph" else object_storage())
        await refusals(root, storage)
        await tills(root, storage)
        await many_segments(root, storage, given.segments)
        if openssh.is_installed():
            await asyncio.to_thread(full_disk, root)


if __name__ == "__main__":
    asyncio.run(main())
