"""What filters of exports and of the outage report take, at both their ends, and cursors that are none."""

import base64
import json

import pytest

from gateway.fleet.outages.log import GATEWAY, Outage
from gateway.operations.exports import CursorInvalid, Filter, Mark, full_size
from gateway.operations.outage_report import OutageQuery
from gateway.operations.store import StoreEntry

FINISH = "Unixt_1000_Sig-7_Log-Tra_No-5_Finish_Client-POS-1.log"
SYSTEM = "Unixt_1000_Sig-8_Log-Sys_LogIn.log"


@pytest.mark.parametrize(
    ("chosen", "finish", "system"),
    [
        (Filter(), True, True),
        (Filter(from_time=1000, to_time=1000), True, True),
        (Filter(from_time=1001), False, False),
        (Filter(to_time=999), False, False),
        (Filter(from_number=5, to_number=5), True, False),
        (Filter(from_number=5), True, False),
        (Filter(to_number=5), True, False),
        (Filter(from_number=6), False, False),
        (Filter(to_number=4), False, False),
        (Filter(client_id="POS-1"), True, True),
        (Filter(client_id="POS-2"), False, True),
    ],
)
def test_a_filter_of_an_export_takes_both_its_ends(chosen: Filter, finish: bool, system: bool) -> None:
    assert chosen.takes(StoreEntry(FINISH, 0, 1, 0)) is finish
    assert chosen.takes(StoreEntry(SYSTEM, 0, 1, 0)) is system
    assert not chosen.takes(StoreEntry("info.csv", 0, 1, 0))


@pytest.mark.parametrize(
    ("query", "past", "lasting", "of_gateway"),
    [
        (OutageQuery(), True, True, True),
        (OutageQuery("A"), True, True, True),
        (OutageQuery("B"), False, False, True),
        (OutageQuery(since=200), True, True, True),
        (OutageQuery(since=201), False, True, False),
        (OutageQuery(until=101), True, True, True),
        (OutageQuery(until=100), False, False, False),
    ],
)
def test_an_outage_report_holds_what_touches_its_span(
    query: OutageQuery, past: bool, lasting: bool, of_gateway: bool
) -> None:
    outages = (Outage("A", "hung", 100, 200), Outage("A", "hung", 100), Outage(GATEWAY, "gateway_crashed", 100, 200))
    assert tuple(map(query.holds, outages)) == (past, lasting, of_gateway)


MARK = Mark(used=10, last=8, digest="0123456789abcdef")


def test_a_cursor_is_read_back() -> None:
    for digest in ("", "a", "ab", "abc"):  # all lengths of a group of base64
        mark = Mark(10, 8, digest)
        assert "=" not in mark.encode()
        assert Mark.decode(mark.encode()) == mark
    assert full_size(MARK) == 12 * 512


def cursor(plain: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ü",
        "%%%%",
        cursor([]),
        cursor({"used": 10, "last": 8}),
        cursor({"used": "10", "last": 8, "digest": ""}),
        cursor({"used": 10, "last": "8", "digest": ""}),
        cursor({"used": 10, "last": 8, "digest": 1}),
        cursor({"used": 10, "last": 10, "digest": ""}),
        cursor({"used": 10, "last": -1, "digest": ""}),
    ],
)
def test_what_is_no_cursor_is_told_so(text: str) -> None:
    with pytest.raises(CursorInvalid, match="no cursor of an export"):
        Mark.decode(text)


def test_the_first_block_may_be_the_last_entry() -> None:
    assert Mark.decode(cursor({"used": 1, "last": 0, "digest": ""})) == Mark(1, 0, "")
