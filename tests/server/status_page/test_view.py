"""What the page says of each state, without a gateway."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from gateway import limits
from gateway.archive.status import ArchiveProgress, ArchiveSummary
from gateway.fleet.outages.log import Outage
from gateway.fleet.pool import PoolMember, PoolRole
from gateway.fleet.status.readiness import ABSENT, REASONS
from gateway.i18n import remedies
from gateway.i18n.locales import Locale
from gateway.i18n.text import LANGUAGES, Language, Text, literal
from gateway.server.status_page import texts
from gateway.server.status_page.html import as_html, as_plain, el
from gateway.server.status_page.notices import notices, problems
from gateway.server.status_page.recent_problems import RecentProblem
from gateway.server.status_page.snapshot import Snapshot, StatusLevel, TseSnapshot
from gateway.server.status_page.view import PageRequest, View, document, help_page, render
from gateway.server.status_page.widgets import sentence
from gateway.tse.commands import HealthReply
from gateway.tse.info import Lifecycle, TseInfo
from gateway.tse.pins import PinOwner
from gateway.tse.products import certification_ends
from tests.server.status_page.browser import Document

NOW = 1_790_000_000.0
INFO = TseInfo(
    serial=bytes(32),
    public_key=b"",
    valid_time=True,
    self_test_passed=True,
    ctss_active=True,
    lifecycle=Lifecycle.INITIALIZED,
    capacity_blocks=1000,
    used_blocks=100,
    self_test_due_seconds=80_000,
    time_sync_due_seconds=1200,
    max_time_sync_delay_seconds=1800,
    created_signatures=12_345,
    max_signatures=20_000_000,
    registered_clients=3,
    max_registered_clients=100,
    certificate_expires=int(NOW) + 3 * 31_557_600,
)
GOOD = TseSnapshot("AB" * 32, "", info=INFO, place="usb", rate=(0,) * 59 + (7,))
SOME_DAY = datetime(2026, 11, 25, tzinfo=UTC)
ARCHIVE = ArchiveSummary(
    serial="AB" * 32,
    attached=True,
    running=None,
    first_seen=SOME_DAY,
    last_success=SOME_DAY,
    last_attempt=SOME_DAY,
    last_seconds=1.0,
    last_error=None,
    verdict="ok",
    verify_failures=0,
    complete_up_to_counter=7,
    complete_up_to_time=SOME_DAY,
    messages=7,
    bytes=4096,
    series=1,
    segment_count=1,
    stamp=None,
    unstamped_since=None,
    targets=[],
)
DE, EN = Locale("de"), Locale("en")


def shown(*tses: TseSnapshot, **given: object) -> Snapshot:
    return replace(Snapshot(NOW, tses, address="tse.example", port=4433, token="secret-token"), **given)  # type: ignore[arg-type]


def text_of(snapshot: Snapshot, locale: Locale = EN, *, full: bool = True) -> str:
    view: View = "operator" if full else "anybody"
    return Document(document(render(snapshot, locale, view), snapshot, locale, PageRequest(view, "v"))).text


@pytest.mark.parametrize(
    ("reasons", "level", "headline"),
    [
        ([], StatusLevel.BAD, "Not signing"),
        ([""], StatusLevel.GOOD, "Signing"),
        (["", ""], StatusLevel.GOOD, "Signing"),
        (["", "unplugged"], StatusLevel.WARNING, "Signing, but not with every TSE"),
        (["", "no_self_test"], StatusLevel.WARNING, "Signing, but not with every TSE"),
        (["no_self_test"], StatusLevel.WARNING, "Not ready yet"),
        (["unplugged", "no_time"], StatusLevel.WARNING, "Not ready yet"),
        (["store_full"], StatusLevel.BAD, "Not signing"),
        (["", "decommissioned"], StatusLevel.GOOD, "Signing"),
        (["decommissioned"], StatusLevel.BAD, "Not signing"),
    ],
)
def test_the_headline_tells_whether_the_site_signs(reasons: list[str], level: StatusLevel, headline: str) -> None:
    snapshot = shown(*(replace(GOOD, reason=reason) for reason in reasons))
    rendered = render(snapshot, EN, "anybody")
    assert snapshot.level == rendered.level == level
    assert rendered.title.startswith(f"{headline} ·")
    assert f"<h1>{headline}</h1>" in as_html(rendered.parts["state"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_has_its_words_and_its_remedy(language: Language) -> None:
    locale = Locale(language)
    assert set(remedies.NOT_SIGNING) == {*REASONS, ABSENT}
    for reason, problem in remedies.NOT_SIGNING.items():
        remedy = sentence(locale.text(problem.remedy)).replace("`", "")
        text = text_of(shown(TseSnapshot("CD" * 32, reason, NOW - 60, info=None)), locale, full=False)
        assert remedy in text
        assert remedy in Document(help_page(locale)).text
        assert reason not in re.sub(r"\W", " ", text).split() or reason in {"stopped", "unplugged", "decommissioned"}


@pytest.mark.parametrize("module", [texts, remedies])
def test_every_text_is_used(module: ModuleType) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path("gateway").rglob("*.py"))
    for name in [name for name, value in vars(module).items() if isinstance(value, Text) and not name.startswith("_")]:
        assert re.search(rf"{module.__name__.rpartition('.')[2]}\.{name}\b", code), name


def test_what_a_tse_or_a_till_tells_stays_text() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    info = replace(INFO, description=evil)
    snapshot = shown(
        replace(GOOD, info=info, place=evil),
        outages=[Outage("AB" * 32, evil, NOW - 9, NOW)],
        problems=[RecentProblem(NOW, True, literal(evil, evil))],
        site=evil,
    )
    html = document(render(snapshot, EN, "operator"), snapshot, EN, PageRequest("operator", "v"))
    assert "<img" not in html
    found = Document(html)
    assert found.text.count(evil) >= 4
    assert {tag for tag, _ in found.tags}.isdisjoint({"img", "iframe"})
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on") or name == "style"]


def test_a_tree_is_the_same_as_html_and_as_json() -> None:
    tree = el("p", "a", None, "b", el("b", "<", class_="x", data_y="1", hidden=True), aria_hidden="true")
    assert as_html(tree) == '<p aria-hidden="true">ab<b class="x" data-y="1" hidden="">&lt;</b></p>'
    plain = ["p", {"aria-hidden": "true"}, ["ab", ["b", {"class": "x", "data-y": "1", "hidden": ""}, ["<"]]]]
    assert json.loads(json.dumps(as_plain(tree))) == plain


def test_only_the_administrator_is_shown_the_token() -> None:
    assert "secret-token" in text_of(shown(GOOD))
    assert "secret-token" not in text_of(shown(GOOD), full=False)
    assert "secret-token" not in repr(shown(GOOD))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"certificate_expires": int(NOW) + 40 * 86_400}, "The certificate ends in 1 month 9 days"),
        ({"self_test_due_seconds": 3000}, "The self test is due in 50 min"),
        ({"created_signatures": 19_999_000}, "Only 1,000 signatures are left. Order a new TSE"),
        ({"used_blocks": 900}, "90 % of the store is used. Export, verify"),
        ({"registered_clients": 98}, "Only 2 more tills can be registered. Deregister"),
    ],
)
def test_what_runs_out_is_told_before_it_does(change: dict[str, int], said: str) -> None:
    found = notices(replace(GOOD, info=replace(INFO, **change)), EN, NOW)  # type: ignore[arg-type]
    assert [text.replace("\u00a0", " ")[: len(said)] for text in found] == [said] * bool(said)


def test_an_archive_that_was_not_written_for_more_than_a_day_is_told() -> None:
    assert notices(replace(GOOD, archive_age=25 * 3600.0), EN, NOW) == []
    (told,) = notices(replace(GOOD, archive_age=27 * 3600.0), EN, NOW)
    assert "not been complete for 1 day 3 h" in told.replace("\u00a0", " ")


def test_a_worn_memory_and_wrong_pins_are_told() -> None:
    tse = replace(
        GOOD,
        health=HealthReply(spare_blocks_percent=50, uncorrectable_ecc_errors=1, erase_count=1, endurance=100),
        pin_tries={PinOwner.ADMIN: 2, PinOwner.PUK: 3},
    )
    worn, no_login, pin = notices(replace(tse, no_login=True), EN, NOW)
    assert worn.startswith(f"{EN.text(texts.FLASH_WORN)}. Export everything")
    assert no_login.startswith(f"{EN.text(texts.NO_LOGIN)}. Correct GATEWAY_TIME_ADMIN_PIN_FILE")
    assert pin.startswith("Admin PIN: tries until it is blocked: 2. Find the right PIN")
    (blocked,) = notices(replace(GOOD, pin_tries={PinOwner.PUK: 0}), EN, NOW)
    assert blocked.startswith("PUK: blocked. ")
    assert "Ready, needs attention" in text_of(shown(tse))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "none", "last_success": None, "segment_count": 0}, "Archive: still empty"),
        ({}, "Archive: verified, as of"),
        (
            {"running": ArchiveProgress(began=SOME_DAY, done_bytes=1, total_bytes=4)},
            "Archive: being written (25\u00a0%)",
        ),
        ({"verdict": "error"}, "An error was found in the archive"),
    ],
)
def test_how_far_the_archive_is(change: dict[str, object], said: str) -> None:
    text = text_of(shown(replace(GOOD, archive=ARCHIVE.model_copy(update=change))))
    assert said in text
    assert ("Archive (TAR)" in text) == ("segment_count" not in change)


def test_the_archive_of_a_tse_that_is_gone_can_still_be_had() -> None:
    snapshot = shown(TseSnapshot("CD" * 32, ABSENT, NOW, archive=ARCHIVE))
    html = document(render(snapshot, EN, "operator"), snapshot, EN, PageRequest("operator", "v"))
    assert f"/api/v1/tses/{'CD' * 32}/archive/export" in Document(html).attributes("href")


def test_a_certificate_field_that_holds_nonsense_breaks_no_page() -> None:
    assert "Certificate until" in text_of(shown(replace(GOOD, info=replace(INFO, certificate_expires=2**64 - 1))))


def test_a_tse_out_of_service_shows_what_is_kept_of_it_and_nothing_that_runs_out() -> None:
    text = text_of(shown(replace(GOOD, reason="decommissioned")))
    assert "12,345 of 20,000,000 used" in text
    for gone in ("Self test", "Set the time", "per minute"):
        assert gone not in text


def test_a_tse_that_was_pulled_shows_no_due_dates() -> None:
    assert "Self test" in text_of(shown(GOOD))
    assert "Self test" not in text_of(shown(replace(GOOD, reason="unplugged", since=NOW - 5)))


def test_a_puk_that_has_to_wait_is_a_notice_of_generation_2() -> None:
    assert GOOD.info is not None
    paused = replace(GOOD, info=replace(GOOD.info, logger_puk_blocked_seconds=90), age=0.0)
    (told,) = notices(paused, EN, NOW)
    assert told.startswith("After a wrong PUK the TSE takes none of the Logger for ")
    assert notices(replace(paused, age=91.0), EN, NOW) == []


SECOND = replace(INFO, software_version=2 << 16, description="BSI-K-TR-0800-2026")


def test_details_tell_both_ends_who_is_logged_in_and_whether_older_tills_are_served() -> None:
    told = text_of(shown(replace(GOOD, info=SECOND, logged_in=(PinOwner.TIME_ADMIN,), old_tills=True)))
    assert f"Certificate until{EN.date(INFO.certificate_expires)}" in told
    assert "Product certified until2034-04-20 (whether with this firmware is unknown)" in told
    assert "Logged inTimeAdmin" in told
    assert "Their commands are translated." in told
    german = text_of(shown(replace(GOOD, info=SECOND)), DE)
    assert "Produkt zertifiziert bis20.04.2034 (ob mit dieser Firmware, ist unbekannt)" in german
    assert "Angemeldetniemand" in german
    assert "Können diese TSE nicht benutzen" in german
    first = text_of(shown(replace(GOOD, old_tills=True)))
    assert "Product certified untilunknown" in first
    assert "older software" not in first


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (181, ""),
        (179, "The certification of the product ends in 5"),
        (-1, "The certification of the product has ended"),
    ],
)
def test_the_end_of_the_products_certification_is_told_before_and_after_it(days: int, said: str) -> None:
    ends = certification_ends(SECOND.description)
    assert ends is not None
    now = ends - days * limits.DAY
    info = replace(SECOND, certificate_expires=int(now) + 3 * 31_557_600)
    assert [text[: len(said)] for text in notices(replace(GOOD, info=info), EN, now)] == [said] * bool(said)


@pytest.mark.parametrize(
    ("role", "serves", "said"),
    [
        (PoolRole.PRIMARY, True, "Primary of the pool, serves"),
        (PoolRole.PRIMARY, False, "a standby serves in its place"),
        (PoolRole.STANDBY, True, "Standby of the pool, serves"),
        (PoolRole.STANDBY, False, "steps in when the primary fails"),
    ],
)
def test_everybody_sees_which_tse_of_a_pool_serves(role: PoolRole, serves: bool, said: str) -> None:
    member = PoolMember(GOOD.serial, role, serves=serves)
    assert said in text_of(shown(replace(GOOD, pool=member)), full=False)
    assert said not in text_of(shown(GOOD))


def test_a_standby_that_serves_or_lacks_clients_is_told_with_what_helps() -> None:
    stepped_in = replace(GOOD, pool=PoolMember(GOOD.serial, PoolRole.STANDBY, serves=True))
    assert "receipts show its serial" in text_of(shown(stepped_in))
    assert "tse-gateway pool use" in text_of(shown(stepped_in))
    unready = replace(GOOD, pool=PoolMember(GOOD.serial, PoolRole.STANDBY, serves=False, missing_clients=2))
    assert "2 Kassen der Haupt-TSE" in text_of(shown(unready), DE)
    assert "tse-gateway pool register" in text_of(shown(unready), DE)
    assert [problem.code for problem in problems(unready, EN, NOW)] == ["standby_unready"]
