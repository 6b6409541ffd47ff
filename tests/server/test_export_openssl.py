"""Exports through both protocols, judged by programs that know nothing of this project: tarfile and openssl."""

import asyncio
import io
import re
import subprocess
import tarfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.app.gateway import running
from gateway.cli.verify import verify_files
from gateway.config.settings import load
from gateway.tse.commands import AcknowledgeExport, TransactionStep
from gateway.tse.fields import Generation
from gateway.tse.logmessage import LogMessage
from gateway.tse.sectors import SECTOR
from tests.lan_client import LanClient
from tests.needs import OPENSSL
from tests.server.api.client import RECEIPT, api_of
from tests.server.shop import serve, settings_for
from tests.support import CLIENT, PREPARE

Made = Callable[[Path, Generation], Awaitable[bytes]]
RECEIPTS = 5
_PIECE = 128  # blocks; what the vendor's library asks for
_NAME = re.compile(r"Unixt_(\d+)_Sig-(\d+)_Log-(Tra_No-\d+_(Start|Update|Finish)_Client-.+|Sys_\w+|Aud)\.log")

pytestmark = OPENSSL


async def exported(tmp_path: Path, generation: Generation = Generation.ONE) -> bytes:
    here: dict[str, Any] = {"port": 0, "bind": "127.0.0.1", "address": "127.0.0.1", "simulator_fresh": True}
    settings = load({}, state_dir=tmp_path / "state", simulators=1, simulator_generation=int(generation), **here)
    async with running(settings) as gateway:
        client = LanClient(gateway.port, gateway.token.value)
        await client.select()
        async with client.locked():
            await PREPARE[generation](client.send_command, bytes.fromhex(client.serial), now=int(time.time()) + 60)
        for number in range(RECEIPTS):
            async with client.locked():
                started = await client.sign(TransactionStep.START, CLIENT, 0, b"", b"")
                data = b"x" * (number * 300)
                for event in (TransactionStep.UPDATE, TransactionStep.FINISH):
                    await client.sign(event, CLIENT, started.transaction_number, data, b"Kassenbeleg-V1")
        async with client.locked():
            size = int.from_bytes((await client.read_info())[0x18:0x1C], "big") + 2
            pieces = [await client.read_store(at, min(_PIECE, size - at)) for at in range(0, size, _PIECE)]
            await client.send_command(AcknowledgeExport(size * SECTOR).encode(generation))
        await client.close()
    return b"".join(pieces)


async def exported_by_api(tmp_path: Path, generation: Generation) -> bytes:
    """Receipts made and exported by the JSON API, none of them by the LAN protocol."""
    settings = settings_for(tmp_path, simulator_generation=int(generation))
    async with serve(settings) as served, api_of(served) as api:
        device = served.registry.devices()[0]
        # Its certificate is valid from its creation.
        await PREPARE[generation](device.command, served.tse.serial, now=int(time.time()) + 60)
        for number in range(RECEIPTS):
            body = {**RECEIPT, "process_data": RECEIPT["process_data"] * number}
            started = await api.post("/transactions", {"client_id": "POS-1"})
            path = f"/transactions/{started.json['transaction_number']}"
            assert (await api.post(f"{path}/update", body)).status == 200
            assert (await api.post(f"{path}/finish", body, key=f"k{number}")).status == 200
            assert (await api.post("/sign", RECEIPT, key=f"s{number}")).status == 200
        return (await api.get("/export")).body


@pytest.mark.parametrize("generation", Generation)
@pytest.mark.parametrize("made", [exported, exported_by_api])
async def test_openssl_alone_verifies_an_export_and_so_does_verify(
    made: Made, generation: Generation, tmp_path: Path
) -> None:
    tar = await made(tmp_path, generation)
    assert tar.endswith(bytes(2 * SECTOR))
    (tmp_path / "export.tar").write_bytes(tar)
    assert verify_files([str(tmp_path / "export.tar")], complete=True) == 0
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        names = archive.getnames()
        assert names[0] == "info.csv"
        unpack(archive, tmp_path / "tar")
    leaf, *issuers = chain(tmp_path / "tar" / names[1], tmp_path)
    public = tmp_path / "public.pem"
    public.write_text(openssl("x509", "-in", leaf, "-noout", "-pubkey"))
    found = [match for name in names[2:] if (match := _NAME.fullmatch(name))]
    assert len(found) == len(names) - 2
    assert [int(match[2]) for match in found] == list(range(1, len(found) + 1))
    before_time_is_set = [match for match in found if match[1] == "0"]
    assert [match[3].lower() for match in before_time_is_set] == ["sys_initialize"]
    versions = {LogMessage.decode((tmp_path / "tar" / match[0]).read_bytes()).version for match in found}
    assert versions == {2 if generation is Generation.ONE else 3}
    for match in found:
        check_signature(tmp_path / "tar" / match[0], public, tmp_path)
    for match in found[len(before_time_is_set) :]:
        trusted, between = issuers[-1], issuers[:-1]
        untrusted = [part for path in between for part in ("-untrusted", str(path))]
        assert ": OK" in openssl("verify", "-attime", match[1], "-CAfile", str(trusted), *untrusted, leaf)


def unpack(archive: tarfile.TarFile, directory: Path) -> None:
    directory.mkdir()
    for name in archive.getnames():
        file = archive.extractfile(name)
        assert file is not None
        (directory / name).write_bytes(file.read())


def chain(pem: Path, work: Path) -> list[str]:
    """The certificates of a PEM file, one file each."""
    parts = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", pem.read_text(), re.DOTALL)
    paths = [work / f"certificate-{number}.pem" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_text(part)
    return [str(path) for path in paths]


def check_signature(message: Path, public: Path, work: Path) -> None:
    data = message.read_bytes()
    body = data[2 if data[1] < 0x80 else 2 + (data[1] & 0x7F) :]
    signed, signature = body[:-98], body[-96:]
    assert body[-98:-96] == b"\x04\x60"  # OCTET STRING of 96 bytes: r and s
    (work / "signed").write_bytes(signed)
    (work / "signature").write_bytes(sequence(integer(signature[:48]) + integer(signature[48:])))
    verified = openssl(
        "dgst", "-sha384", "-verify", str(public), "-signature", str(work / "signature"), str(work / "signed")
    )
    assert "Verified OK" in verified


def integer(raw: bytes) -> bytes:
    plain = raw.lstrip(b"\0") or b"\0"
    signed = b"\0" + plain if plain[0] & 0x80 else plain
    return bytes([0x02, len(signed)]) + signed


def sequence(content: bytes) -> bytes:
    return bytes([0x30, len(content)]) + content


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout


def test_a_changed_message_is_not_verified(tmp_path: Path) -> None:
    tar = asyncio.run(exported(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        names = archive.getnames()
        unpack(archive, tmp_path / "tar")
    leaf = chain(tmp_path / "tar" / names[1], tmp_path)[0]
    public = tmp_path / "public.pem"
    public.write_text(openssl("x509", "-in", leaf, "-noout", "-pubkey"))
    message = tmp_path / "tar" / names[5]
    changed = bytearray(message.read_bytes())
    changed[40] ^= 1
    message.write_bytes(changed)
    with pytest.raises(subprocess.CalledProcessError):
        check_signature(message, public, tmp_path)
