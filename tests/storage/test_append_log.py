"""The append-only log: nothing that was written is lost, half a line costs no other, and damage is told."""

import logging
import os
from operator import itemgetter
from pathlib import Path

import pytest

from gateway.storage.append_log import AppendLog

ONE, TWO, THREE = {"number": 1}, {"number": 2, "text": "ä"}, {"number": 3}


@pytest.fixture
def log(tmp_path: Path) -> AppendLog:
    return AppendLog(tmp_path / "log.jsonl")


def test_what_was_appended_is_read_in_its_order(log: AppendLog) -> None:
    assert list(log.read(dict)) == []
    log.append(ONE, TWO)
    log.append(THREE, durable=False)
    assert list(AppendLog(log.path).read(dict)) == [ONE, TWO, THREE]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_line_torn_anywhere_costs_no_other_and_is_no_damage(log: AppendLog, caplog: pytest.LogCaptureFixture) -> None:
    log.append(ONE, {"text": "x" * 10_000})  # longer than what is read at once from the end
    content = log.path.read_bytes()
    start = content.index(b"\n") + 1
    for length in (*range(start, start + 12), 5000, len(content) - 3, len(content) - 2):
        log.path.write_bytes(content[:length])
        assert list(log.read(dict)) == [ONE]
        log.append(TWO)
        assert list(log.read(dict)) == [ONE, TWO]
    assert caplog.text == ""


def test_a_whole_line_that_lacks_only_its_end_counts(log: AppendLog) -> None:
    log.path.write_bytes(b'{"number": 1}')
    assert list(log.read(dict)) == [ONE]
    log.append(TWO)
    assert list(log.read(dict)) == [ONE, TWO]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'{"number": ',
        b"[1]",
        b"",
        b"\0\xff",
        b"[" * 100_000,
        b'{"number":' * 100_000,
        b'{"number": Infinity}',
        b'{"number": %s}' % (b"9" * 4301),
        b'{"text": "\xff"}',
        b'{"unknown": 1}',
    ],
    ids=range(11),
)
def test_damage_is_told_once_and_the_rest_is_read(
    log: AppendLog, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    log.append(ONE)
    with log.path.open("ab") as file:
        file.write(line + b"\n")
    log.append(THREE)
    for _ in range(2):
        assert list(log.read(itemgetter("number"))) == [1, 3]
    (told,) = caplog.records
    assert (told.levelno, told.__dict__["event"]) == (logging.WARNING, "file_damaged")
    assert told.getMessage().startswith(
        f"{log.path} is damaged: 1 of its lines cannot be read and are left out, the first is line 2."
    )


@pytest.mark.parametrize("content", [bytes(10_000), b"\xff" * 100, b"[" * 100_000, b"{\0", b"nonsense"], ids=range(5))
def test_a_file_that_is_lost_is_told_and_goes_on(
    log: AppendLog, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    log.path.write_bytes(content)
    assert list(log.read(dict)) == []
    assert [line.__dict__["event"] for line in caplog.records] == ["file_damaged"]
    log.append(ONE)
    assert list(log.read(dict)) == [ONE]


def test_a_damaged_file_is_kept_when_it_is_written_anew(log: AppendLog) -> None:
    damaged = b'nonsense\n{"number": 1}\n'
    log.path.write_bytes(damaged)
    log.rewrite(list(log.read(dict)))
    assert list(AppendLog(log.path).read(dict)) == [ONE]
    assert log.path.with_name("log.jsonl.damaged").read_bytes() == damaged


def test_a_full_disk_adds_nothing_and_spoils_nothing(log: AppendLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(ONE)
    write, truncate = os.write, os.ftruncate

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space left"):
            log.append(TWO)
        assert list(log.read(dict)) == [ONE]
        patch.setattr(os, "ftruncate", refuse)  # half a line stays
        with pytest.raises(OSError, match="No space left"):
            log.append(TWO)
        patch.setattr(os, "ftruncate", truncate)
    log.append(THREE)
    assert list(log.read(dict)) == [ONE, THREE]


def test_a_failed_sync_takes_the_line_back(log: AppendLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(ONE)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            log.append(TWO)
    assert list(log.read(dict)) == [ONE]


def test_rewriting_leaves_only_what_is_given(log: AppendLog) -> None:
    log.append(ONE, TWO)
    log.rewrite([THREE])
    log.append(ONE)
    assert list(log.read(dict)) == [THREE, ONE]
    assert [path.name for path in log.path.parent.iterdir()] == [log.path.name]


def test_a_flipped_bit_anywhere_is_damage_or_harmless(log: AppendLog, caplog: pytest.LogCaptureFixture) -> None:
    log.append(TWO)
    line = log.path.read_bytes()
    for place in range(len(line) - 1):
        for bit in range(8):
            log.path.write_bytes(line[:place] + bytes([line[place] ^ 1 << bit]) + line[place + 1 :])
            for found in AppendLog(log.path).read(dict):
                assert {name: found[name] for name in TWO} == TWO


def test_a_line_without_a_checksum_is_one_of_before(log: AppendLog) -> None:
    log.path.write_bytes(b'{"number": 1}\n')
    log.append(TWO)
    assert list(log.read(dict)) == [ONE, TWO]
