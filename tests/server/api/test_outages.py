"""Outages as an auditor gets to see them: for programs, for Excel, on paper."""

import asyncio
import base64
import csv
import hashlib
import io
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.fleet.outages.log import GATEWAY, OutageLog
from gateway.fleet.status.readiness import OUTAGES, REASONS
from gateway.i18n import remedies
from gateway.i18n.text import LANGUAGES
from gateway.server.api.outage_report import duration
from gateway.tse.commands import Login, SelfTest, SetTime, User
from tests.server.api.client import RECEIPT, Api, Reply, api_of, make_ready
from tests.server.shop import Served, serve, settings_for, until
from tests.support import CLIENT, NOW, TIME_ADMIN_PIN

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
OTHER = "AB" * 32


async def ask(api: Api, path: str, **params: str) -> Reply:
    """Relative to the API, not to the TSE."""
    headers = {"Accept-Language": params.pop("accept")} if "accept" in params else {}
    return await api.ask("GET", f"/../../{path}", params=params, headers=headers)


@pytest.fixture
async def audited(tmp_path: Path) -> AsyncIterator[Api]:
    """A gateway whose log tells of old times, and that did not run since."""
    settings = settings_for(tmp_path, site="=Kasse <Süd>")
    settings.state_dir.mkdir(parents=True)
    log = OutageLog(settings.state_dir)
    log.seen(OTHER, NEW_YEAR)
    log.begin(OTHER, "device_timeout", NEW_YEAR, refused=3, tills=("10.0.0.7", "10.0.0.8"))
    log.end(OTHER, NEW_YEAR + 3723.4)
    log.begin(OTHER, "unplugged", NEW_YEAR + 86_400)
    log.end(OTHER, NEW_YEAR + 86_460)
    log.stopped(NEW_YEAR + 86_500)
    log.save()
    async with serve(settings) as served, api_of(served) as api:
        await make_ready(served)
        yield api


async def test_an_outage_is_told_while_it_lasts_and_when_it_is_over(served: Served) -> None:
    async with api_of(served) as api:
        await make_ready(served)
        device = served.registry.devices()[0]
        served.tse.faults.set("unplugged")
        assert (await api.post("/sign", RECEIPT)).status == 503
        async with asyncio.timeout(10):
            while not (lasting := (await ask(api, "outages")).json["outages"]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await api.post("/sign", RECEIPT)).status == 503
        (lasting,) = (await ask(api, "outages")).json["outages"]
        assert (lasting["tse_serial"], lasting["ended"], lasting["refused_requests"]) == (served.serial, None, 2)
        assert lasting["refused_tills"] == 1
        assert "dauert an" in (await ask(api, "outages.html")).body.decode()
        served.tse.faults.clear()
        await until(lambda: not device.failed.is_set())
        for command in (SelfTest(CLIENT), Login(User.TIME_ADMIN, TIME_ADMIN_PIN), SetTime(NOW)):
            assert (await ask(api, "outages")).json["outages"][0]["ended"] is None
            await device.command(command.encode())
        async with asyncio.timeout(10):
            while (over := (await ask(api, "outages")).json["outages"][0])["ended"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert over["seconds"] > 0
    assert over["reason"] == lasting["reason"]


async def test_what_the_file_tells_is_given_and_times_without_gateway_are_outages_of_every_tse(audited: Api) -> None:
    found = (await ask(audited, "outages")).json
    assert found["site"] == "=Kasse <Süd>"
    old, pulled, away, missing = found["outages"]
    assert (old["tse_serial"], old["reason"], old["refused_requests"], old["seconds"]) == (
        OTHER,
        "device_timeout",
        3,
        3723.4,
    )
    assert old["refused_tills"] == 2
    assert old["began"] == "2026-01-01T00:00:00Z"
    assert (away["tse_serial"], away["reason"]) == (None, "gateway_stopped")
    assert (missing["reason"], missing["ended"]) == ("absent", None)
    mine = (await ask(audited, "outages", serial=audited.served.serial.lower())).json["outages"]
    assert (await ask(audited, "outages", serial=audited.served.serial[:8])).json["outages"] == mine
    theirs = (await ask(audited, "outages", serial=OTHER[:8])).json["outages"]  # of a TSE that is not back
    assert OTHER in {outage["tse_serial"] for outage in theirs}
    assert mine == [away]
    assert pulled["reason_text"] == "the TSE was unplugged"
    german = (await ask(audited, "outages", accept="fr;q=0.9, de-DE;q=0.8, en;q=0.5")).json["outages"]
    assert german[1]["reason_text"] == "die TSE wurde abgezogen"


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T23:00:00Z"}, 1),
        ({"to": "2026-01-01T00:00:00Z"}, 0),
        ({"from": "2026-01-01T02:00:00Z", "to": "2026-01-02T00:00:30+00:00"}, 1),
        ({"from": "2025-12-30", "to": "2026-01-03"}, 3),
        ({"from": "2999-12-31"}, 1),
    ],
)
async def test_a_span_holds_all_outages_of_which_a_part_lies_in_it(
    audited: Api, limits: dict[str, str], count: int
) -> None:
    assert len((await ask(audited, "outages", **limits)).json["outages"]) == count


@pytest.mark.parametrize("moment", ["2026-13-01", "yesterday", "0001-01-01", "9999-12-31", "2026-01-01T25:00:00Z", ""])
async def test_a_moment_that_does_not_exist_is_refused(audited: Api, moment: str) -> None:
    answer = await ask(audited, "outages", to=moment)
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


async def test_excel_in_germany_reads_the_table(audited: Api) -> None:
    answer = await ask(audited, "outages.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.body.startswith(b"\xef\xbb\xbf")
    assert answer.body.count(b"\r\n") == answer.body.count(b"\n") == 5
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")), delimiter=";"))
    assert rows[0]["TSE-Seriennummer"] == OTHER
    assert rows[0]["Beginn (UTC)"] == "2026-01-01 00:00:00"
    assert rows[0]["Beginn"] == datetime.fromtimestamp(NEW_YEAR, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert rows[0]["Dauer in Sekunden"] == "3723"
    assert rows[0]["Betriebsstätte"] == "'=Kasse <Süd>"  # a name is no formula
    assert rows[0]["Grund in Worten"] == "die TSE antwortet nicht"
    assert rows[3]["Ende"] == ""
    english = (await ask(audited, "outages.csv", lang="en")).body.decode("utf-8-sig")
    assert english.startswith("Site;TSE serial number;Begin")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [str(value) for name, value in attrs if name in {"src", "href", "action", "style"}]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("lang", "title"), [("de", "Ausfälle der technischen"), ("en", "Outages of the technical")])
async def test_the_page_for_the_auditor_stands_on_its_own(audited: Api, lang: str, title: str) -> None:
    answer = await ask(audited, "outages.html", lang=lang)
    page = _Page()
    page.feed(answer.body.decode())
    assert title in page.text
    assert "146a AO" in page.text
    assert "1.14.1" in page.text
    assert "=Kasse <Süd>" in page.text
    assert OTHER in page.text
    assert "1 h 2 min 3 s" in page.text
    assert page.references == []
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "form", "süd"})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Content-Language"] == lang


async def test_the_style_of_the_page_is_the_one_that_its_policy_allows(audited: Api) -> None:
    answer = await ask(audited, "outages.html")
    style = re.search(r"<style>(.*?)</style>", answer.body.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def test_every_reason_has_words_in_both_languages() -> None:
    known = REASONS.keys() | OUTAGES | {"gateway_stopped", "gateway_crashed", "standby_serves"}
    assert remedies.REASONS.keys() == known
    assert all(remedies.reason_text(reason, language) for reason in known for language in LANGUAGES)


def test_lengths_are_told_in_units() -> None:
    assert [duration(seconds) for seconds in (0.4, 61, 3600, 90_061.2)] == [
        "0 s",
        "1 min 1 s",
        "1 h 0 min 0 s",
        "1 d 1 h 1 min 1 s",
    ]


def test_more_outages_than_fit_the_memory_are_all_given_and_none_twice(tmp_path: Path) -> None:
    log = OutageLog(tmp_path)
    for number in range(2500):
        log.begin(OTHER, "unplugged", NEW_YEAR + 10 * number)
        log.end(OTHER, NEW_YEAR + 10 * number + 5)
        if number == 2000:
            log.save()
    assert [outage.began for outage in log.all()] == [NEW_YEAR + 10 * number for number in range(2500)]
    log.save()
    assert len(log.all()) == 2500
    assert GATEWAY not in {outage.serial for outage in log.all()}
    assert log.all()[-1].seconds(time.time()) == 5
