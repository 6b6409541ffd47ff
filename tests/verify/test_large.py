"""Many messages: on all cores, in bounded memory, with the same report on any number of processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.tse.tar import END
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import MAX_EXAMPLES, Code, FileReport, MessageCounts
from tests.verify.exports import INFO_MEMBER, Tse, log_member, receipts

COUNT = 20_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export whose certificate comes last and whose every thousandth message was tampered with."""
    tse, path = Tse(), tmp_path_factory.mktemp("large") / "export.tar"
    with path.open("wb") as file:
        file.write(INFO_MEMBER)
        for number, message in enumerate(receipts(tse, COUNT // 2), start=1):
            data = bytearray(log_member(message))
            if number % 1000 == 0:
                data[512 + len(message) - 1] ^= 1  # in its signature
            file.write(data)
        file.write(tse.certificate_member() + END)
    return path


def test_a_large_export_is_checked_in_pieces_by_several_processes(large: Path) -> None:
    done: list[tuple[int, int]] = []
    report = verify_file(str(large), Options(processes=2), lambda *progress: done.append(progress))
    assert report.counts == MessageCounts(COUNT, COUNT - COUNT // 1000, COUNT // 1000, 0)
    assert report.findings.count(Code.SIGNATURE_INVALID) == COUNT // 1000
    assert done == sorted(done)
    assert done[-1] == (COUNT, COUNT)
    assert _told(report) == _told(verify_file(str(large), Options(processes=1)))


def test_a_process_that_is_killed_is_told(large: Path) -> None:
    def kill(done: int, total: int) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(GatewayError, match="was killed"):
        verify_file(str(large), Options(processes=2), kill)


def test_memory_does_not_grow_with_the_export(large: Path, tmp_path: Path) -> None:
    tse, small = Tse(), tmp_path / "export.tar"
    small.write_bytes(tse.export(tse.receipt(1)))
    assert large.stat().st_size > 20_000_000
    assert _peak(large) - _peak(small) < 12_000


def _peak(export: Path) -> int:
    """Most memory that checking took, in kB; in one process of its own."""
    script = (
        "import sys\n"
        "from gateway.verify.files import Options, verify_file\n"
        "verify_file(sys.argv[1], Options(processes=1))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    call = [sys.executable, "-c", script, str(export)]
    environment = dict(os.environ, PYTHONPATH=str(Path.cwd()))
    return int(subprocess.run(call, check=True, env=environment, capture_output=True, text=True).stdout)


def test_examples_are_limited_but_the_count_is_not(tmp_path: Path) -> None:
    tse = Tse()
    messages = [log_member(message) for message in receipts(tse, MAX_EXAMPLES)]
    (tmp_path / "export.tar").write_bytes(b"".join(messages) + END)
    report = verify_file(str(tmp_path / "export.tar"))
    ((found),) = [group for code, group in report.findings.items() if code is Code.KEY_MISSING]
    assert (found.count, len(found.examples)) == (2 * MAX_EXAMPLES, MAX_EXAMPLES)


def _told(report: FileReport) -> list[object]:
    return [report.counts, report.spans, list(report.findings.items())]
