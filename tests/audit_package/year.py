"""An audit package of a year, judged by programs that know nothing of this project: sha256sum, openssl, tar, dsfinvk.

    python -m tests.audit_package.year [RECEIPTS]

Makes a simulated TSE that signed so many receipts (100,000) in the course of a year, starts a gateway, archives, writes
the package by the command, and prints times and memory as JSON. Needs openssl and a package index for dsfinvk.
"""

import asyncio
import csv
import json
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.driver.usb.block import BlockDriver
from gateway.simulator.core import Core
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.signing import SigningKey
from gateway.tse.der import integer_element
from gateway.tse.logmessage import UnsignedMessage
from tests.process import Process, gateway
from tests.server.test_export_openssl import chain, check_signature, openssl
from tests.support import CLIENT, set_up

YEAR = 365 * 86_400  # seconds
CHECKED = 300  # messages that openssl verifies
_SIGNED_AT_ONCE = 500  # messages
_SALE = b"Beleg^19.00_7.00_0.00_0.00_0.00^26.00:Bar"


async def filled(directory: Path, receipts: int, begin: int) -> str:
    """Make a TSE in `directory` that signed a receipt again and again for a year from `begin` on; its serial."""
    tse = SimulatedTse.create(directory, durable=False)
    driver = BlockDriver(SimulatedTransport(tse))
    await set_up(driver.send_command, tse.serial, now=begin)
    core = tse._core
    moments = [begin + 60 + number * (YEAR - 120) // receipts for number in range(receipts)]
    drafts = _drafts(core, moments)
    pieces = [drafts[at : at + _SIGNED_AT_ONCE] for at in range(0, len(drafts), _SIGNED_AT_ONCE)]
    state = core.state
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for signatures, piece in zip(pool.map(partial(_sign, core.key.pem()), pieces), pieces, strict=True):
            for signature, (unsigned, at) in zip(signatures, piece, strict=True):
                state = core.with_log(state, UnsignedMessage(unsigned).sealed(signature), at)
    core.commit(replace(state, transaction_number=state.transaction_number + receipts))
    await driver.close()
    tse.close()
    return tse.serial.hex().upper()


def _drafts(core: Core, moments: list[int]) -> list[tuple[bytes, int]]:
    """Return what is signed of a receipt at each of the moments, with the moment."""
    counter, drafts = core.state.signature_counter, list[tuple[bytes, int]]()
    for number, at in enumerate(moments, start=core.state.transaction_number + 1):
        for operation, kind, data in (("Start", b"", b""), ("Finish", b"Kassenbeleg-V1", _SALE)):
            counter += 1
            draft = UnsignedMessage.transaction(
                operation=f"{operation}Transaction",
                client_id=CLIENT,
                process_data=data,
                process_type=kind,
                number=number,
                serial=core.key.serial,
                counter=counter,
                log_time=integer_element(at + (operation == "Finish")),
            )
            drafts.append((draft.to_be_signed, at))
    return drafts


def _sign(key: bytes, drafts: list[tuple[bytes, int]]) -> list[bytes]:
    """Sign in one of several processes, since that takes longest."""
    signing = SigningKey.load(key)
    return [signing.sign(unsigned) for unsigned, _ in drafts]


async def main(receipts: int) -> None:
    """In a directory that goes away."""
    with tempfile.TemporaryDirectory(prefix="year-") as directory:
        place, told = Path(directory), dict[str, object]()
        begin = int(time.time()) + 3600  # the certificate of a simulated TSE is valid from its creation
        began = time.perf_counter()
        told["serial"] = serial = await filled(place / "simulator-1", receipts, begin)
        told["seconds_to_sign"] = round(time.perf_counter() - began, 1)
        out = place / "package"
        async with gateway(place, "--simulator", "1") as running:
            await running.until_it_serves()
            for name, command in (
                ("self_test", ["selftest", "--client", CLIENT.decode()]),
                ("archive", ["archive", "run"]),
                ("package", ["audit-package", *_period(begin), "--output", str(out), "--json"]),
            ):
                told[f"seconds_{name}"] = await _timed(running, place, command)
                told[f"peak_kB_after_{name}"] = _peak(running)
        told["MiB"] = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) >> 20
        told |= _judged(out, place, serial, receipts)
        print(json.dumps(told, indent=1))


def _period(begin: int) -> list[str]:
    # The first second is that of the set-up.
    first, last = (datetime.fromtimestamp(at, UTC).isoformat() for at in (begin + 1, begin + YEAR))
    return ["--from", first, "--to", last]


async def _timed(running: Process, place: Path, command: list[str]) -> float:
    began = time.perf_counter()
    token = place / "token"
    token.write_text(running.token)
    options = ["--url", f"https://127.0.0.1:{running.port}", "--token-file", str(token)]
    options += ["--ca", str(running.state_dir / "tls" / "ca.pem")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *command, *options, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0, command
    return round(time.perf_counter() - began, 1)


def _peak(running: Process) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def _judged(out: Path, place: Path, serial: str, receipts: int) -> dict[str, object]:
    """Let foreign programs read the package; return what they said."""
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS.txt"], cwd=out, check=True)
    (report,) = json.loads((out / "Pruefbericht" / "pruefbericht.json").read_text())
    assert report["valid"] == report["messages"] == 2 * receipts, report
    return {
        "verdict": report["severity"],
        "sha256sum": "OK",
        "openssl": _openssl(out, place, serial),
        "dsfinvk": _dsfinvk(out, place),
        "reconcile": _reconciled(out, serial, receipts),
    }


def _openssl(out: Path, place: Path, serial: str) -> str:
    """Verify the chain, and some of the messages that GNU tar unpacks."""
    unpacked = place / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xmf", out / "TAR" / f"TSE_{serial}_1.tar", "-C", unpacked], check=True)
    leaf, *issuers = chain(out / "Zertifikate" / f"TSE_{serial}.pem", place)
    public = place / "public.pem"
    public.write_text(openssl("x509", "-in", leaf, "-noout", "-pubkey"))
    messages = sorted(unpacked.glob("*.log"))
    for message in random.Random(1).sample(messages, CHECKED):
        check_signature(message, public, place)
    untrusted = [part for path in issuers[:-1] for part in ("-untrusted", path)]
    moment = re.match(r"Unixt_(\d+)_", messages[-1].name)
    assert moment is not None
    openssl("verify", "-attime", moment[1], "-CAfile", issuers[-1], *untrusted, leaf)
    return f"chain and {CHECKED} of {len(messages)} messages verified"


def _dsfinvk(out: Path, place: Path) -> str:
    venv = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "-q", "dsfinvk==2.4.0"], check=True)
    reader = [str(venv / "bin" / "python"), "tests/dsfinvk/reader.py", str(out / "DSFinV-K")]
    said = subprocess.run(reader, check=True, capture_output=True, text=True).stdout
    return " ".join(re.findall(r"(\d+ rows)", said))


def _reconciled(out: Path, serial: str, receipts: int) -> str:
    with (out / "DSFinV-K" / "transactions_tse.csv").open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file, delimiter=";")) == receipts
    command = [sys.executable, "-m", "gateway", "reconcile", str(out / "TAR" / f"TSE_{serial}_1.tar")]
    command += ["--dsfinvk", str(out / "DSFinV-K"), "--outages", str(out / "Ausfaelle" / "ausfaelle.json"), "--json"]
    began = time.perf_counter()
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["agreeing"] == found["rows"] == receipts
    return f"{found['agreeing']} rows agree, in {time.perf_counter() - began:.0f} s"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 100_000))
