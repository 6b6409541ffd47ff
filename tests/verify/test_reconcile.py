"""What a till exported (DSFinV-K) against what its TSE signed: planted differences are all found, and no others."""

import csv
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.tse.tar import END
from gateway.verify.findings import Code, ReconcileReport
from gateway.verify.reconcile import load_outages, reconcile
from gateway.verify.till_export import TillExport
from gateway.verify.tse_files import write_tse_files
from tests.verify.exports import INFO_MEMBER, NOW, Tse, log_member

COUNT, CLIENTS = 8, (b"POS-1", b"POS-2")
DAYS = {"since": NOW, "until": NOW + 100}


@dataclass
class Shop:
    """The export of a TSE, message by message, and the files of its tills, which the test changes before `write`."""

    tse: Tse
    members: dict[tuple[int, str], bytes]
    files: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def rows(self) -> list[list[str]]:
        return self.files["transactions_tse.csv"]

    def row(self, number: int) -> list[str]:
        return next(row for row in self.rows[1:] if row[self.column("TSE_TANR")] == str(number))

    def column(self, name: str, file: str = "transactions_tse.csv") -> int:
        return self.files[file][0].index(name)

    def compare(self, directory: Path, **options: Any) -> ReconcileReport:
        write(directory, self.files)
        (directory / "export.tar").write_bytes(archive(self.tse, self.members))
        return reconcile([directory / "export.tar"], directory, **options)


def archive(tse: Tse, members: dict[tuple[int, str], bytes]) -> bytes:
    return INFO_MEMBER + tse.certificate_member() + b"".join(members.values()) + END


def write(directory: Path, files: dict[str, list[list[str]]]) -> None:
    for name, rows in files.items():
        with (directory / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";", lineterminator="\r\n").writerows(rows)


@cache
def signed() -> tuple[Tse, dict[tuple[int, str], bytes]]:
    tse, members = Tse(), dict[tuple[int, str], bytes]()
    for number in range(1, COUNT + 1):
        for step in ("Start", "Finish"):
            message = tse.step(number, step, client=CLIENTS[number % 2], time=NOW + 10 * number + (step == "Finish"))
            members[number, step] = log_member(message)
    return tse, members


@cache
def exported() -> dict[str, list[list[str]]]:
    tse, members = signed()
    with tempfile.TemporaryDirectory() as directory:
        (place := Path(directory) / "export.tar").write_bytes(archive(tse, members))
        written = write_tse_files([place], Path(directory), datetime.fromtimestamp(NOW, UTC))
        read = {}
        for path in written:
            with path.open(encoding="utf-8", newline="") as file:
                read[path.name] = list(csv.reader(file, delimiter=";"))
        return read


def shop() -> Shop:
    tse, members = signed()
    return Shop(tse, dict(members), {name: [list(row) for row in rows] for name, rows in exported().items()})


def found(report: ReconcileReport) -> set[tuple[Code, int]]:
    """Code and transaction number of each finding; numbers stand as `No-1` in place or detail."""
    pairs = set()
    for code, group in report.findings.items():
        assert group.count == len(group.examples)
        for one in group.examples:
            number = re.search(r"No-(\d+)", f"{one.place} {one.detail}")
            pairs.add((code, int(number[1]) if number else 0))
    return pairs


def changed(column: str, value: Callable[[str], str]) -> Callable[[Shop, int], Code]:
    def change(till: Shop, number: int) -> Code:
        row, at = till.row(number), till.column(column)
        row[at] = value(row[at])
        return Code.DSFINVK_DIFFERS

    return change


def no_row(till: Shop, number: int) -> Code:
    till.rows.remove(till.row(number))
    return Code.DSFINVK_EXTRA


def row_twice(till: Shop, number: int) -> Code:
    till.rows.append(list(till.row(number)))
    return Code.DSFINVK_REPEATED


def never_signed(till: Shop, number: int) -> Code:
    for step in ("Start", "Finish"):
        del till.members[number, step]
    return Code.DSFINVK_MISSING


def never_finished(till: Shop, number: int) -> Code:
    del till.members[number, "Finish"]
    return Code.DSFINVK_UNFINISHED


PLANTED: dict[str, Callable[[Shop, int], Code]] = {
    "no row": no_row,
    "row twice": row_twice,
    "never signed": never_signed,
    "never finished": never_finished,
    "start": changed("TSE_TA_START", lambda text: text.replace("T", "T1")),
    "end": changed("TSE_TA_ENDE", lambda _: datetime.fromtimestamp(NOW + 1, UTC).isoformat()),
    "counter": changed("TSE_TA_SIGZ", lambda text: str(int(text) + 1)),
    "signature": changed("TSE_TA_SIG", lambda text: ("B" if text[0] == "A" else "A") + text[1:]),
    "no signature": changed("TSE_TA_SIG", lambda _: ""),
    "process type": changed("TSE_TA_VORGANGSART", lambda _: "SonstigerVorgang"),
    "process data": changed("TSE_VORGANGSDATEN", lambda text: text.replace("1.00", "0.10", 1)),
}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(1, COUNT), st.sampled_from(sorted(PLANTED)), max_size=4))
def test_planted_differences_are_found_and_none_are_invented(differences: dict[int, str]) -> None:
    till = shop()
    expected = {(PLANTED[what](till, number), number) for number, what in differences.items()}
    with tempfile.TemporaryDirectory() as directory:
        report = till.compare(Path(directory), **DAYS)
    assert found(report) == expected
    extra = sum(what == "no row" for what in differences.values())
    unsigned = sum(what.startswith("never") for what in differences.values())
    assert report.rows == COUNT - extra + sum(what == "row twice" for what in differences.values())
    assert report.transactions == COUNT - unsigned
    agree = COUNT - sum(what != "row twice" for what in differences.values())
    assert report.agreeing == agree


def test_what_the_gateway_writes_agrees_with_what_was_signed(tmp_path: Path) -> None:
    report = shop().compare(tmp_path)
    assert (report.rows, report.agreeing, report.transactions) == (COUNT, COUNT, COUNT)
    assert list(report.findings.items()) == []


def test_a_till_is_told_from_others_of_the_same_tse(tmp_path: Path) -> None:
    till = shop()
    till.files["transactions_tse.csv"] = [row for row in till.rows if row[0] != "POS-2"]
    report = till.compare(tmp_path)
    assert (report.rows, report.agreeing, report.transactions) == (COUNT // 2, COUNT // 2, COUNT // 2)
    assert [code for code, _ in report.findings.items()] == [Code.DSFINVK_OUTSIDE]


def test_without_a_period_transactions_before_the_first_and_after_the_last_row_are_only_told(tmp_path: Path) -> None:
    till = shop()
    till.files["transactions_tse.csv"] = [till.rows[0], *till.rows[3:-2]]
    assert [code for code, _ in till.compare(tmp_path).findings.items()] == [Code.DSFINVK_OUTSIDE]
    assert found(till.compare(tmp_path, **DAYS)) == {(Code.DSFINVK_EXTRA, number) for number in (1, 2, 7, 8)}


def test_the_serial_number_of_the_till_must_be_the_client_id(tmp_path: Path) -> None:
    till = shop()
    till.files["cashregister.csv"] = [["Z_KASSE_ID", "KASSE_SERIENNR"], ["POS-1", "POS-1"], ["POS-2", "ABC"]]
    till.files["slaves.csv"] = [["Z_KASSE_ID", "TERMINAL_SERIENNR"], ["POS-1", "POS-9"]]
    even = {(Code.DSFINVK_DIFFERS, number) for number in range(1, COUNT, 2)}
    assert found(till.compare(tmp_path)) == even


def unsigned_row(till: Shop, tse_id: str = "1") -> list[str]:
    row = [""] * len(till.rows[0])
    for name, value in (
        ("Z_KASSE_ID", "POS-1"),
        ("BON_ID", "B7"),
        ("TSE_ID", tse_id),
        ("Z_NR", "1"),
        ("TSE_TA_FEHLER", "Ausfall"),
    ):
        row[till.column(name)] = value
    return row


def outage_file(
    directory: Path, serial: str | None, began: int, ended: int | None, served_by: str | None = None
) -> Path:
    """As `tse-gateway outages --json` writes it."""
    times = [None if at is None else datetime.fromtimestamp(at, UTC).isoformat() for at in (began, ended)]
    outage = {"tse_serial": serial, "began": times[0], "ended": times[1], "reason": "unplugged", "served_by": served_by}
    (directory / "outages.json").write_text(json.dumps({"site": "", "outages": [outage]}))
    return directory / "outages.json"


def test_a_receipt_without_signature_is_explained_by_an_outage_of_its_tse_at_its_time(tmp_path: Path) -> None:
    till = shop()
    till.rows.append(unsigned_row(till))
    sold = datetime.fromtimestamp(NOW + 50, UTC).isoformat()
    till.files["transactions.csv"] = [
        ["Z_KASSE_ID", "Z_NR", "BON_ID", "BON_START", "BON_ENDE"],
        ["POS-1", "1", "B7", sold, sold],
    ]
    serial = till.tse.serial.hex().upper()
    for outage, code in (
        ((serial, NOW, NOW + 60), Code.DSFINVK_OUTAGE),
        ((None, NOW, None), Code.DSFINVK_OUTAGE),
        ((serial, NOW - 900, NOW - 600), Code.DSFINVK_UNSIGNED),
        (("AB" * 32, NOW, NOW + 60), Code.DSFINVK_UNSIGNED),
        ((serial, NOW, NOW + 60, "AB" * 32), Code.DSFINVK_UNSIGNED),  # a standby signed then
    ):
        known = load_outages(outage_file(tmp_path, *outage))
        assert [one for one, _ in till.compare(tmp_path, outages=known).findings.items()] == [code]
    assert till.compare(tmp_path, since=NOW + 55).rows == 3  # 6, 7 and 8: the receipt was before
    del till.files["transactions.csv"]
    (tmp_path / "transactions.csv").unlink()
    assert [one for one, _ in till.compare(tmp_path).findings.items()] == [Code.DSFINVK_UNSIGNED]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("TSE_SERIAL", "AB" * 32),
        ("TSE_PUBLIC_KEY", "BAAA"),
        ("TSE_SIG_ALGO", "ecdsa-plain-SHA256"),
        ("TSE_ZEITFORMAT", "utcTime"),
        ("TSE_ZERTIFIKAT_I", "MIIB"),
    ],
)
def test_tse_csv_must_fit_the_certificate_and_the_messages(column: str, value: str, tmp_path: Path) -> None:
    till = shop()
    for row in till.files["tse.csv"][1:]:
        row[till.column(column, "tse.csv")] = value
    report = till.compare(tmp_path)
    assert report.findings.count(Code.DSFINVK_TSE) >= 1
    if column == "TSE_SERIAL":
        assert report.findings.count(Code.DSFINVK_NO_EXPORT) == COUNT


def test_another_certificate_of_the_same_tse_and_a_missing_row_are_told(tmp_path: Path) -> None:
    till = shop()
    other = Tse()
    (tmp_path / "other.tar").write_bytes(other.export(other.receipt(1)))
    (tmp_path / "other").mkdir()
    tse_file, _ = write_tse_files([tmp_path / "other.tar"], tmp_path / "other", datetime.now(UTC))
    foreign = TillExport(tse_file.parent).tses[0].fields
    first, second = till.files["tse.csv"][1:]
    for name, value in foreign.items():
        if name.startswith("TSE_ZERTIFIKAT"):
            first[till.column(name, "tse.csv")] = value
    second[till.column("TSE_ID", "tse.csv")] = "7"
    found = [one for _, group in till.compare(tmp_path).findings.items() for one in group.examples]
    details = [one.detail.en for one in found]
    assert [one for one in found if one.detail.en == one.detail.de] == []
    assert any(detail.startswith("TSE_SERIAL is") for detail in details)
    assert details.count("TSE_ID '1' of this closing is not in tse.csv") == COUNT // 2


def test_numbers_with_points_between_thousands_are_read(tmp_path: Path) -> None:
    tse = Tse(counter=12_344)
    (tmp_path / "export.tar").write_bytes(tse.export(tse.receipt(1234)))
    _, file = write_tse_files([tmp_path / "export.tar"], tmp_path, datetime.now(UTC))
    text = file.read_text()
    assert ";1234;" in text
    assert ";12346;" in text
    file.write_text(text.replace(";1234;", ";1.234;").replace(";12346;", ";12.346;"))
    assert reconcile([tmp_path / "export.tar"], tmp_path).agreeing == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tse.csv", None, "is missing: --dsfinvk names the folder"),
        ("tse.csv", b"Z_KASSE_ID;Z_NR\r\n", "has no column TSE_ID"),
        ("transactions_tse.csv", b"", "has no column Z_KASSE_ID"),
        ("transactions_tse.csv", b"\xff\xfe\xfd", "is not UTF-8"),
        ("transactions_tse.csv", b'"' + b"x" * 200_000, "cannot be read at line"),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    till = shop()
    till.compare(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        reconcile([tmp_path / "export.tar"], tmp_path)


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    shop().compare(tmp_path)
    with pytest.raises(ConfigurationError, match="exists already"):
        write_tse_files([tmp_path / "export.tar"], tmp_path, datetime.now(UTC))


def test_another_json_is_no_list_of_outages(tmp_path: Path) -> None:
    for content in ("{}", "[]", '{"outages": [1]}', '{"outages": [{"tse_serial": 7}]}', "{"):
        (tmp_path / "outages.json").write_text(content)
        with pytest.raises(ConfigurationError, match="outages --json writes one"):
            load_outages(tmp_path / "outages.json")
