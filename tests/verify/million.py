"""How long does a large export take to verify, on how many cores, in how much memory?

    python -m tests.verify.million [MESSAGES [brainpool]]

Makes an export with so many signed messages (P-256, or brainpoolP384r1 as Swissbit's TSEs sign), verifies it, and
prints the figures. Every thousandth message was tampered with; that they are found is checked, too. Before and after
it, bare calls of the library verify the same kind of signature on all cores. `share_of_bare_...` is the rate of the
verifier as a share of theirs, by processor time (all processes), and by the clock, which other programs blur.
"""

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import END
from gateway.verify.files import verify_file
from gateway.verify.findings import MessageCounts
from tests.verify.exports import INFO_MEMBER, Tse, log_member, receipts

_SPOILED = 1000


def make(path: Path, count: int, tse: Tse) -> None:
    """An export of `count` messages."""
    with path.open("wb") as file:
        file.write(INFO_MEMBER + tse.certificate_member())
        for number, message in enumerate(receipts(tse, count // 2), start=1):
            data = bytearray(log_member(message))
            if number % _SPOILED == 0:
                data[512 + len(message) - 1] ^= 1  # in its signature
            file.write(data)
        file.write(END)


def bare(tse: Tse, message: bytes, count: int) -> tuple[float, float]:
    """Verify one message `count` times on all cores by the library alone; seconds by the clock and of processors."""
    plain, public = LogMessage.decode(message), tse.key.public_key()
    half = len(plain.signature) // 2
    numbers = (int.from_bytes(part) for part in (plain.signature[:half], plain.signature[half:]))
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    cores = os.cpu_count() or 1
    work = (spki, encode_dss_signature(*numbers), plain.signed_bytes, count // cores)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_verify_again, [(*work[:3], 1)] * cores))  # processes have started
        began = time.perf_counter()
        processors = sum(pool.map(_verify_again, [work] * cores))
        return time.perf_counter() - began, processors


def _verify_again(work: tuple[bytes, bytes, bytes, int]) -> float:
    spki, signature, signed, count = work
    key, began = load_der_public_key(spki), time.process_time()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for _ in range(count):
        key.verify(signature, signed, ec.ECDSA(hashes.SHA384()))
    return time.process_time() - began


def measure(path: Path, count: int, tse: Tse) -> dict[str, object]:
    """Verify it on all cores, between two halves of bare work."""
    message = tse.step(1, counter=1)
    alone = [bare(tse, message, count // 2)]
    cpu, began = _processors(), time.perf_counter()
    report = verify_file(str(path))
    seconds = time.perf_counter() - began
    for child in multiprocessing.active_children():  # only then their time counts
        child.join()
    cpu = _processors() - cpu
    alone.append(bare(tse, message, count // 2))
    by_clock, by_processor = (sum(times) for times in zip(*alone, strict=True))
    assert report.counts == MessageCounts(count, count - count // _SPOILED, count // _SPOILED, 0)
    me, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "messages": count,
        "MiB": path.stat().st_size >> 20,
        "seconds": round(seconds, 1),
        "messages_per_second": round(count / seconds),
        "cores": os.cpu_count(),
        "share_of_bare_by_processor": round(by_processor / cpu, 3),
        "share_of_bare_by_clock": round(by_clock / seconds, 3),
        "cpu_seconds_of_processes": round(children.ru_utime + children.ru_stime, 1),
        "peak_kB": me.ru_maxrss,
        "peak_of_one_process_kB": children.ru_maxrss,
    }


def _processors() -> float:
    """Return the seconds of processors that this process and those that it ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(count: int, curve: type[ec.EllipticCurve]) -> None:
    """In a directory that goes away."""
    with tempfile.TemporaryDirectory(prefix="million-") as directory:
        path, tse = Path(directory) / "export.tar", Tse(curve)
        make(path, count, tse)
        print(json.dumps({"curve": curve.name, **measure(path, count, tse)}))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 1_000_000, ec.BrainpoolP384R1 if "brainpool" in given else ec.SECP256R1)
