"""The command: report, language, JSON, exit status."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.findings import ERRORS, INTERRUPTED
from gateway.cli.formatting import printable
from gateway.cli.verify import verify_files
from gateway.verify.findings import Code, FindingClass
from gateway.verify.texts import CLASSES, MEANINGS, class_of
from tests.tse.samples import SAMPLES, vectors
from tests.verify.exports import Tse, log_member, pem, receipts

GOOD = str(SAMPLES / "SignatureCounterStartsWithTwo.tar")
RENAMED = str(SAMPLES / "inconsistent_certificates.tar")
RECEIPT = next(vector["qr"] for vector in vectors() if vector["id"] == "qr-dsfinvk-annex-AMA-2642")
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(Path.cwd()))


def test_the_exit_status_tells_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_files([GOOD], language="en") == 0
    assert verify_files([GOOD, RECEIPT, RENAMED], language="en") == 1
    assert verify_files([GOOD, RENAMED, "/nowhere.tar"], language="en") == ERRORS
    assert verify_files([RENAMED], language="en", complete=True) == ERRORS
    assert "40 messages: 40 valid, 0 invalid, 0 not checked" in capsys.readouterr().out


def test_the_report_speaks_german_or_english(capsys: pytest.CaptureFixture[str]) -> None:
    verify_files([RENAMED], language="de")
    german = capsys.readouterr().out
    verify_files([RENAMED], language="en")
    english = capsys.readouterr().out
    for code in (Code.CERTIFICATE_NAME, Code.COUNTER_SKIPPED):
        assert MEANINGS[code].text.de in german
        assert MEANINGS[code].text.en in english
    assert "3 Nachrichten: 3 gültig" in german
    assert "\x1b" not in german  # no colours when piped


def test_the_report_shows_some_places_and_counts_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tse = Tse()
    messages = [*tse.receipt(1), *(tse.step(2, "Update", time=1 << 40) for _ in range(6))]
    (tmp_path / "export.tar").write_bytes(tse.export(messages))
    assert verify_files([str(tmp_path / "export.tar")], language="en") == 1
    report = capsys.readouterr().out
    assert f"({Code.CERTIFICATE_EXPIRED}), 6 x" in report
    assert "and 3 more" in report
    assert f"- {1 << 40}" in report  # beyond all calendars


def test_json_tells_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_files([GOOD, RENAMED], as_json=True, language="en") == 1
    good, renamed = json.loads(capsys.readouterr().out)
    assert good["file"] == GOOD
    assert (good["messages"], good["valid"], good["invalid"], good["unchecked"]) == (40, 40, 0, 0)
    assert (good["kind"], good["severity"]) == ("archive", "note")
    assert (good["tses"][0]["first_counter"], good["tses"][0]["first_time"]) == (2, "2021-07-28T14:05:26Z")
    found = renamed["findings"]
    assert [(one["number"], one["class"], one["code"]) for one in found] == [
        (1, "150-159", "message.indefinite"),
        (2, "160-169", "counter.partial"),
        (3, "160-169", "counter.skipped"),
        (4, "160-169", "transaction.cut"),
        (5, "190-209", "certificate.name"),
        (6, "190-209", "chain.unanchored"),
        (7, "600-609", "processdata.form"),
    ]
    assert (found[4]["severity"], found[4]["count"]) == ("warning", 1)
    assert found[4]["places"][0]["place"].startswith("BDB64")


def test_findings_stand_below_the_class_that_the_tax_office_knows(capsys: pytest.CaptureFixture[str]) -> None:
    verify_files([RENAMED], language="de")
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if re.match(r"  \d{3}-\d{3}  ", line)]
    assert heads == [
        "  150-159  Log-Nachrichten und Beleg-QR-Texte",
        "  160-169  das Archiv (TAR) und seine Vollständigkeit",
        "  190-209  Zertifikate und Ketten",
        "  600-609  Prozess-Typ und Prozess-Daten",
    ]
    assert lines.index(heads[2]) < next(at for at, line in enumerate(lines) if "certificate.name" in line)


def test_the_page_to_print_runs_and_loads_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = tmp_path / "<img src=x>.tar"
    shutil.copy(RENAMED, strange)
    page = tmp_path / "report.html"
    assert verify_files([str(strange), RECEIPT], language="de", html=page) == 1
    text = page.read_text()
    assert "&lt;img src=x&gt;.tar" in text
    assert not re.search(r"<(img|script|link|iframe|object)|\son\w+=|url\(|@import|http", text)
    assert '<html lang="de">' in text
    assert "160-169 das Archiv (TAR) und seine Vollständigkeit" in text
    assert "(certificate.name)" in text
    assert verify_files([GOOD], language="en", html=tmp_path / "no" / "report.html") == ERRORS
    assert "cannot be written" in capsys.readouterr().err


def test_each_code_has_a_class() -> None:
    classes = {code: class_of(code) for code in Code}
    assert set(classes.values()) == set(CLASSES) == set(FindingClass)
    assert classes[Code.CERTIFICATE_EXPIRED] is FindingClass.CERTIFICATE
    assert classes[Code.CERTIFICATE_REVOKED] is FindingClass.REVOCATION


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"hello", "a.txt", "file.unknown"),
        (b"", "empty", "file.unknown"),
        (b"", "a.log", "message.unreadable"),
        (b"0\x82\x01\x010\x82\x01\x01", "broken.der", "certificate.unreadable"),
        (pem(Tse().leaf), "good.pem", None),
    ],
)
def test_files_of_all_kinds(
    content: bytes, name: str, code: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    status = verify_files([str(tmp_path / name)], as_json=True)
    (report,) = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in report["findings"]] == ([code] if code else [])
    assert status == (ERRORS if code else 0)


def test_a_directory_cannot_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_files([str(tmp_path)], as_json=True) == ERRORS
    assert json.loads(capsys.readouterr().out)[0]["findings"][0]["code"] == "file.unreadable"


def test_a_wrong_trust_store_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_files([GOOD], trust=[tmp_path]) == ERRORS
    assert capsys.readouterr().err == f"tse-gateway: no certificate in {tmp_path}\n"


def test_names_cannot_command_the_terminal() -> None:
    assert printable("Kasse 1 \x1b[2J\ud800ü\n") == r"Kasse 1 \x1b[2J\ud800ü\n"


def test_every_finding_has_its_texts() -> None:
    assert set(MEANINGS) == set(Code)
    for code, meaning in MEANINGS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", code)
        assert meaning.text.en != meaning.text.de


def test_the_command_line_passes_all_on() -> None:
    call = [sys.executable, "-m", "gateway", "verify", RECEIPT, RENAMED, "--trust", str(SAMPLES), "--complete"]
    done = subprocess.run([*call, "--json"], capture_output=True, text=True, check=False)
    receipt, renamed = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (ERRORS, "")
    assert (receipt["file"], receipt["kind"], receipt["valid"]) == (RECEIPT, "receipts", 1)
    assert {"counter.missing", "chain.broken"} <= {finding["code"] for finding in renamed["findings"]}
    call += ["--language", "de"]
    assert "3 Nachrichten" in subprocess.run(call, capture_output=True, text=True, check=False).stdout


def test_ctrl_c_ends_it_without_a_traceback(busy: subprocess.Popen[str]) -> None:
    os.killpg(busy.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, errors = busy.communicate(timeout=60)
    assert (busy.returncode, errors) == (INTERRUPTED, "")


def test_a_killed_command_leaves_no_process_behind(busy: subprocess.Popen[str]) -> None:
    busy.kill()
    busy.communicate(timeout=60)  # ends when the last process has closed its output


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command at work with several processes."""
    tse, path = Tse(), tmp_path / "export.tar"
    logs = [log_member(message) for message in receipts(tse, 3)]
    path.write_bytes(b"".join(logs) * 5000)  # work for some seconds
    (tmp_path / "run.py").write_text(
        "import sys\n"
        "from gateway.cli import verify\n"
        "from gateway.verify import files\n"
        "def told(done, total):\n"
        "    print('begun', flush=True)\n"
        "def told_verify(*given, check=files.verify_archive, **named):\n"
        "    return check(*given, **{**named, 'progress': told})\n"
        "if __name__ == '__main__':\n"
        "    files.verify_archive = told_verify\n"
        f"    sys.exit(verify.verify_files([{str(path)!r}], trust=[], processes=2))\n"
    )
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py")],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        yield running
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
