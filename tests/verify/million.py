"""How long does a large export take to verify, on how many cores, in how much memory?

    python -m tests.verify.million [MESSAGES [brainpool]]

Makes an export with so many signed messages (P-256, or brainpoolP384r1 as Swissbit's TSEs sign), verifies it, and
prints the figures. Every thousandth message was tampered with; that they are found is checked, too.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

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


def measure(path: Path, count: int) -> dict[str, object]:
    """Verify it on all cores."""
    began = time.perf_counter()
    report = verify_file(str(path))
    seconds = time.perf_counter() - began
    assert report.counts == MessageCounts(count, count - count // _SPOILED, count // _SPOILED, 0)
    me, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "messages": count,
        "MiB": path.stat().st_size >> 20,
        "seconds": round(seconds, 1),
        "messages_per_second": round(count / seconds),
        "cores": os.cpu_count(),
        "cpu_seconds_of_processes": round(children.ru_utime + children.ru_stime, 1),
        "peak_kB": me.ru_maxrss,
        "peak_of_one_process_kB": children.ru_maxrss,
    }


def main(count: int, curve: type[ec.EllipticCurve]) -> None:
    """In a directory that goes away."""
    with tempfile.TemporaryDirectory(prefix="million-") as directory:
        path = Path(directory) / "export.tar"
        make(path, count, Tse(curve))
        print(json.dumps({"curve": curve.name, **measure(path, count)}))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 1_000_000, ec.BrainpoolP384R1 if "brainpool" in given else ec.SECP256R1)
