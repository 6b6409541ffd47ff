"""One TSE on the page: what everybody may see, and what the administrator sees."""

from collections.abc import Callable, Sequence

from gateway.server.api.outage_words import reason_text
from gateway.server.status_page import svg
from gateway.server.status_page.html import Element, el
from gateway.server.status_page.notices import (
    CERTIFICATE_SOON,
    FEW_SIGNATURES,
    MANY_CLIENTS,
    SELF_TEST_SOON,
    STORE_FILLING,
    notices,
)
from gateway.server.status_page.snapshot import Level, Tse
from gateway.server.status_page.text import Words
from gateway.server.status_page.widgets import copyable, day, filled, moment, sentence, short
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR

_SELF_TEST_EVERY = 25 * 3600.0
_CERTIFICATE_LIFE = 5 * 31_557_600.0
_TIME_SOON = 120.0
FRESH = "not_set_up"
_MOST_GLYPHS = 12


def card(tse: Tse, words: Words, now: float, *, full: bool) -> Element:
    """`full` is for the administrator."""
    noted = notices(tse, words, now) if full else []
    parts = [_head(tse, words, noted=bool(noted)), _why(tse, words), _notices(noted)]
    if full:
        parts += [] if tse.info is None else _told(tse, tse.info, words, now)
        parts.append(_links(tse, words))
    else:
        parts.append(_waiting(tse, words))
    return el("article", *parts, class_=f"card tse {tse.level}", id=f"tse-{tse.serial[:8]}")


def _head(tse: Tse, words: Words, *, noted: bool) -> Element:
    level = Level.CARE if noted and tse.level is Level.GOOD else tse.level
    state = {
        Level.GOOD: words.care if noted else words.ready,
        Level.CARE: words.fresh if tse.reason == FRESH else words.waiting,
        Level.BAD: words.failed,
        Level.IDLE: words.retired,
    }[tse.level]
    name = el("h2", "TSE ", el("span", short(tse.serial), class_="digits"))
    badge = el("p", svg.shape(level), el("span", state), class_=f"badge {level}")
    return el("header", name, badge)


def _why(tse: Tse, words: Words) -> Element | None:
    if not tse.reason:
        return None
    since = tse.since
    told = el("p", el("strong", sentence(reason_text(tse.reason, words.language)), "."), class_="reason")
    when = None if since is None else el("p", *filled(words.since, moment(words, since)), class_="since")
    remedy = el("p", el("b", words.what_to_do), " ", words.remedies.get(tse.reason, ""))
    return el("div", told, when, remedy, class_="why")


def _notices(found: Sequence[str]) -> Element | None:
    return el("ul", *(el("li", text) for text in found), class_="notices") if found else None


def _told(tse: Tse, info: TseInfo, words: Words, now: float) -> list[Element | None]:
    if tse.reason == FRESH:  # nothing runs out yet
        return [_details(tse, info, words, now)]
    ended = tse.level is Level.IDLE
    over = ended or tse.level is Level.BAD  # then what it told last of these is over, too
    runs = el("div", None if over else _dials(tse, info, words, now), _fills(info, words), class_="runs")
    return [
        el("div", runs, None if ended or not tse.pace else _chart(tse, words), class_="measures"),
        _waiting(tse, words) if tse.reason else _busy(tse, words),
        _details(tse, info, words, now),
    ]


def _dials(tse: Tse, info: TseInfo, words: Words, now: float) -> Element:
    test = info.self_test_due_seconds - tse.age if info.self_test_passed else 0.0
    time = info.time_sync_due_seconds - tse.age if info.valid_time else 0.0
    until = info.certificate_expires
    longest = info.max_time_sync_delay_seconds or 1
    end = el("span", day(words, until))
    return el(
        "dl",
        _dial(words.self_test, _due(words, test), test / _SELF_TEST_EVERY, soon=test < SELF_TEST_SOON),
        _dial(words.time, _due(words, time), time / longest, soon=time < _TIME_SOON),
        _dial(words.certificate, end, (until - now) / _CERTIFICATE_LIFE, soon=until - now < CERTIFICATE_SOON),
        class_="dials",
    )


def _due(words: Words, seconds: float) -> Element:
    return el("span", words.due_in.format(words.countdown(seconds)) if seconds > 0 else words.due_now)


def _dial(name: str, value: Element, left: float, *, soon: bool) -> Element:
    level = (Level.CARE if left > 0 else Level.BAD) if soon else Level.GOOD
    return el("div", svg.dial(left, level), el("dt", name), el("dd", value))


def _fills(info: TseInfo, words: Words) -> Element:
    known = info.ctss_active  # before its self test a TSE says that it is empty
    used, capacity = info.used_blocks * SECTOR, info.capacity_blocks * SECTOR
    made, most = info.created_signatures, info.max_signatures
    clients, most_clients = info.registered_clients, info.max_registered_clients
    rows = [
        _fill(words.signatures, words.signatures_of, words.number, (made, most), 1 - FEW_SIGNATURES),
        _fill(words.clients, words.clients_of, words.number, (clients, most_clients), MANY_CLIENTS),
    ]
    if known:
        rows.insert(0, _fill(words.store, words.store_of, words.size, (used, capacity), STORE_FILLING))
    else:
        rows.insert(0, el("div", el("dt", words.store), el("dd", words.unknown)))
    return el("dl", *rows, class_="fills")


def _fill(name: str, text: str, spelled: Callable[[int], str], values: tuple[int, int], limit: float) -> Element:
    part, whole = values
    ratio = part / whole if whole else 0.0
    level = Level.CARE if ratio > limit else Level.GOOD
    return el("div", el("dt", name), el("dd", text.format(spelled(part), spelled(whole))), svg.bar(ratio, level))


def _chart(tse: Tse, words: Words) -> Element:
    now, most, total = tse.pace[-1], max(tse.pace), sum(tse.pace)
    title = words.pace_text.format(now, most, total)
    caption = el("figcaption", el("b", words.pace), el("span", words.pace_now.format(now), class_="value"))
    axis = el(
        "p", el("span", words.an_hour_ago), el("span", words.pace_most.format(most)), el("span", words.now),
        class_="axis", aria_hidden="true",
    )  # fmt: skip
    return el("figure", caption, svg.chart(tse.pace, title), axis)


def _busy(tse: Tse, words: Words) -> Element:
    text = words.lock_free
    if tse.lock is not None:
        holder = words.lock_by.format(tse.lock.peer) if tse.lock.peer else words.lock_by_gateway
        text = f"{words.lock_held.format(words.length(tse.lock.seconds))} {holder}"
    lock = el("span", svg.glyph("unlocked" if tse.lock is None else "locked"), text)
    return el("p", lock, _queue(tse, words), _archive(tse, words), class_="busy")


def _archive(tse: Tse, words: Words) -> Element | None:
    known = tse.archive
    if known is None or known.verdict == "error":
        return None
    state: list[Element | str] = [words.archive_none]
    if known.running is not None:
        total = known.running.total_bytes
        state = [words.archive_running.format(words.percent(known.running.done_bytes / total if total else 0.0))]
    elif known.last_success is not None:
        state = filled(words.archive_until, moment(words, known.last_success.timestamp()))
    return el("span", svg.glyph("archive"), f"{words.archive}: ", *state)


def _waiting(tse: Tse, words: Words) -> Element | None:
    return el("p", _queue(tse, words), class_="busy") if tse.waiting else None


def _queue(tse: Tse, words: Words) -> Element:
    """One picture for each till, as long as they can be counted at a glance."""
    many = words.waiting_many.format(tse.waiting) if tse.waiting else words.waiting_none
    text = words.waiting_one if tse.waiting == 1 else many
    return el("span", *(svg.glyph("till") for _ in range(min(tse.waiting, _MOST_GLYPHS))), text)


def _details(tse: Tse, info: TseInfo, words: Words, now: float) -> Element:
    rows: list[tuple[str, Element | str]] = [
        (words.serial, el("span", copyable(tse.serial, words.serial, words), class_="serial")),
        (words.description, info.description or "-"),
        (words.software, f"{info.software} ({info.form_factor})"),
        (words.place, tse.place),
        (words.read_at, moment(words, int(now - tse.age))),
    ]
    if tse.health is not None:
        spare, erases = tse.health.spare_blocks_percent / 100, tse.health.remaining_erases_percent / 100
        rows.append((words.flash, words.flash_text.format(words.percent(spare), words.percent(erases))))
    listed = (el("div", el("dt", name), el("dd", value)) for name, value in rows)
    left = words.open_transactions.format(info.open_transactions)
    return el("details", el("summary", words.details), el("dl", *listed, class_="rows"), el("p", left))


def _links(tse: Tse, words: Words) -> Element | None:
    base, links = f"/api/v1/tses/{tse.serial}", []
    if tse.level is not Level.BAD and tse.reason != FRESH:
        links += [
            (words.export, f"{base}/export"),
            (words.dsfinvk, f"{base}/dsfinvk"),
            (words.elster, f"{base}/elster"),
            (words.certificates, f"{base}/certificates"),
        ]
    if tse.archive is not None and tse.archive.segment_count:
        links.append((words.archive_export, f"{base}/archive/export"))
    if tse.archive is not None:
        links.append((words.archive_state, f"{base}/archive"))
    return el("p", *(el("a", text, href=path) for text, path in links), class_="links") if links else None
