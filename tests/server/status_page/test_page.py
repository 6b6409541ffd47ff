"""The status page over TLS: what everybody sees, what the administrator sees, and what nobody gets by it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.server.status_page import assets
from tests.server.api.client import make_ready
from tests.server.shop import BASE, TOKEN, Served, serve, settings_for, till_of, until
from tests.server.status_page.browser import browser_of
from tests.support import receipt


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(settings_for(tmp_path, keep_alive=0.05, site="Köln <b>")) as running:
        yield running


async def test_everybody_sees_whether_it_signs_and_what_to_do_but_no_secret(served: Served) -> None:
    async with browser_of(served) as browser:
        page = await browser.page()
        assert "Not ready yet" in page.text
        assert "Set it up" in page.text
        await make_ready(served)
        while "Signing" not in page.text:  # visitors share a page for a moment
            page = await browser.page()
    assert "The TSE is ready." in page.text
    assert f"TSE {served.serial[:4]} {served.serial[4:8]}" in page.text
    for hidden in (TOKEN, served.serial, "Recent warnings", "Outages"):
        assert hidden not in page.text


async def test_the_administrator_sees_the_rest_and_may_read_the_api_by_the_cookie(served: Served) -> None:
    await make_ready(served)
    device = served.registry.devices()[0]
    await receipt(device.command, device)
    async with browser_of(served) as browser:
        assert await browser.log_in() == "/"
        page = await browser.page()
        for shown in (
            TOKEN,
            served.serial,
            "of 20,000,000 used",
            "Recent warnings",
            "No outage is recorded",
            "127.0.0.1",
        ):
            assert shown in page.text
        titles = page.attributes("aria-label")
        assert "Signatures per minute in the last hour: now 2, at most 2, 2 in all" in titles
        for path in page.attributes("href") - {"#tses"}:
            answer, _ = await browser.get(path)
            assert answer.status in {200, 303}, path


async def test_the_cookie_changes_nothing_and_opens_nothing_else(served: Served) -> None:
    async with browser_of(served) as browser:
        await browser.log_in()
        tse = f"/api/v1/tses/{served.serial}"
        for method, path in (
            ("POST", f"{tse}/self-test"),
            ("POST", f"{tse}/sign"),
            ("HEAD", "/api/v1/tses"),
            ("GET", f"{BASE}/tses"),
            ("GET", f"{BASE}/tse/{served.serial}/lock"),
            ("GET", "/metrics"),
        ):
            answer, _ = await browser.get(path, method)
            assert answer.status == 401, path
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert (await browser.get("/api/v1/tses", headers=headers))[0].status == 401


async def test_the_cookie_is_guarded_and_ends_with_the_logout(served: Served) -> None:
    async with browser_of(served) as browser:
        await browser.log_in()
        (cookie,) = browser.session.cookie_jar
        assert cookie.key == "__Host-tse-gateway"
        assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")
        assert int(cookie["max-age"]) == 8 * 3600
        kept = {"Cookie": f"{cookie.key}={cookie.value}"}
        assert (await browser.get("/page/logout", "POST", data={"x": "y"}))[0].status == 303
        assert "Log in" in (await browser.page()).text
        assert (await browser.get("/api/v1/tses", headers=kept))[0].status == 401


async def test_a_wrong_token_is_told_late_and_counted_as_everywhere(served: Served) -> None:
    def failures() -> float | None:
        return served.metrics.registry.get_sample_value("tse_gateway_auth_failures_total", {"reason": "wrong"})

    async with browser_of(served) as browser:
        began, before = time.monotonic(), failures() or 0
        where = await browser.log_in("wrong")
        assert time.monotonic() - began > 0.9
        assert failures() == before + 1
        answer, text = await browser.get(where.partition("#")[0])
        assert "That was not the apiToken" in text
        assert not answer.cookies


@pytest.mark.parametrize("path", ["/page/login", "/page/logout"])
async def test_forms_are_taken_from_this_page_only_and_when_small(served: Served, path: str) -> None:
    async with browser_of(served) as browser:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            answer, _ = await browser.get(path, "POST", data={"token": TOKEN}, headers=headers)
            assert (answer.status, len(answer.cookies)) == (400, 0)
        answer, _ = await browser.get(path, "POST", data={"token": "x" * 5000})
        assert answer.status == 413


async def test_german_or_english_by_the_browser_or_by_the_switch(served: Served) -> None:
    async with browser_of(served, "de-DE,de;q=0.9,en;q=0.8") as browser:
        page = await browser.page()
        assert "Noch nicht bereit" in page.text
        assert page.attributes("lang") == {"de", "en"}
        answer, _ = await browser.get("/page/language?to=en")
        assert answer.headers["Location"] == "/"
        assert "Not ready yet" in (await browser.page()).text
        assert (await browser.get("/page/language?to=fr"))[0].status == 400


async def test_no_script_or_style_but_ours_and_no_other_site_around_it(served: Served) -> None:
    async with browser_of(served) as browser:
        answer, text = await browser.get()
        policy = answer.headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style=" not in text
        assert " on" not in "".join(f" {name}" for _, attributes in (await browser.page()).tags for name in attributes)
        assert "Köln &lt;b&gt;" in text
        assert "<b>TSE" in text
        assert "http" not in text.replace("http-equiv", "")


async def test_files_are_kept_by_their_tag_and_all_is_light(served: Served) -> None:
    async with browser_of(served) as browser:
        await browser.log_in()
        _, text = await browser.get()
        weight = len(text.encode())
        for name in assets.assets():
            answer, content = await browser.get(f"/page/{name}")
            assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
            weight += len(content.encode())
            again, _ = await browser.get(f"/page/{name}", headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status == 304
        assert weight < 75_000
        assert (await browser.get("/page/nothing.js"))[0].status == 404


async def test_an_open_page_learns_soon_that_the_tse_is_gone_and_back(served: Served) -> None:
    await make_ready(served)
    async with browser_of(served) as browser, browser.events() as events:
        first = await events.parts_with("The TSE is ready.")
        assert (first["title"].partition(" · ")[0], first["level"]) == ("Signing", "good")
        assert set(first["parts"]) == {"state", "tses", "connection"}
        served.tse.faults.set("unplugged")
        await until(served.registry.devices()[0].failed.is_set)
        async with asyncio.timeout(5):  # within two seconds on a machine that is not busy: chromium.py looks at that
            changed = await events.parts_with("Not signing")
        assert "connection" not in changed["parts"]
        served.tse.faults.clear()
        await events.parts_with("needs its self test")


async def test_an_open_page_is_loaded_anew_when_it_is_another_one(served: Served) -> None:
    async with browser_of(served) as browser:
        async with browser.events("of yesterday") as events:
            assert await events.next() == ("reload", None)
        await browser.log_in()
        async with browser.events() as events:
            await events.parts_with("apiToken")
            assert (await browser.get("/page/logout", "POST", data={"x": "y"}))[0].status == 303
            while (told := await events.next())[0] == "parts":
                continue
            assert told == ("reload", None)


async def test_open_pages_are_few_and_do_not_delay_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.server.status_page.events._MOST_OF_ONE", 2)
    async with AsyncExitStack() as stack:
        async with serve(settings_for(tmp_path, stop_timeout=60)) as served:
            browser = await stack.enter_async_context(browser_of(served))
            streams = [await stack.enter_async_context(browser.events()) for _ in range(2)]
            for stream in streams:
                await stream.parts_with("Not ready yet")
            answer, text = await browser.get("/page/events?version=x")
            assert (answer.status, json.loads(text)["error_name"]) == (503, "too_many_viewers")
            began = time.monotonic()
        assert time.monotonic() - began < 30  # stop_timeout is 60
        for stream in streams:
            assert await stream.next() == ("", None)


async def test_anonymous_pages_keep_no_administrator_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.server.status_page.events._MOST", 2)
    async with AsyncExitStack() as stack:
        anonymous = await stack.enter_async_context(browser_of(served))
        for _ in range(2):
            await (await stack.enter_async_context(anonymous.events())).parts_with("Not ready yet")
        assert (await anonymous.get("/page/events?version=x"))[0].status == 503
        admin = await stack.enter_async_context(browser_of(served))
        await admin.log_in()
        await (await stack.enter_async_context(admin.events())).parts_with("apiToken")


async def test_a_page_without_news_hears_that_the_gateway_is_there_and_leaves_its_place_when_it_is_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.status_page.events._ALIVE", 0.0)
    monkeypatch.setattr("gateway.server.status_page.events._MOST_OF_ONE", 1)
    async with browser_of(served) as browser, browser.events() as events:
        while (told := (await events.next())[0]) == "parts":
            continue
        assert told == "alive"
    async with browser_of(served) as browser, asyncio.timeout(10):
        (version,) = (await browser.page()).attributes("data-version")
        while True:
            async with browser.session.get(f"{served.url}/page/events?version={version}") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.05)


async def test_looking_asks_no_tse_and_waits_for_none(served: Served) -> None:
    await make_ready(served)
    device = served.registry.devices()[0]
    served.tse.faults.set("hung")
    hanging = asyncio.create_task(device.read_info())
    await until(lambda: device._connection.busy)
    async with browser_of(served) as browser:
        began = time.monotonic()
        await browser.page()
        assert time.monotonic() - began < 10  # the TSE would take 45 s
    served.tse.faults.clear()
    await hanging


async def test_the_holder_of_the_lock_and_those_who_wait_are_shown(served: Served) -> None:
    await make_ready(served)
    async with till_of(served) as till, till_of(served) as other, browser_of(served) as browser:
        session = await till.lock()
        waiting = asyncio.create_task(other.lock())
        await until(lambda: served.registry.devices()[0].lock.waiting_clients == 1)
        assert "1 till waits" in (await browser.page()).text
        await browser.log_in()
        text = (await browser.page()).text
        assert "by 127.0.0.1" in text
        assert str(session) not in text
        await till.ask(served.path(session, "unlock"))
        await waiting


async def test_what_was_refused_stands_on_the_page_once_with_its_count(served: Served) -> None:
    await make_ready(served)
    device = served.registry.devices()[0]
    async with till_of(served) as till, browser_of(served) as browser:
        served.tse.faults.set("unplugged")
        await until(device.failed.is_set)
        for _ in range(3):
            assert (await till.ask(f"{BASE}/tse/{served.serial}/lock")).status == 503
        await browser.log_in()
        text = (await browser.page()).text
    assert "3 times, last" in text
    assert "lasts" in text


async def test_a_gateway_that_stops_says_so(served: Served) -> None:
    await make_ready(served)
    async with browser_of(served) as browser, browser.events() as events:
        await events.parts_with("The TSE is ready.")
        await served.registry.drain()
        await events.parts_with("The gateway stops.")


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with serve(settings_for(tmp_path, status_page=False)) as served, browser_of(served) as browser:
        assert (await browser.get())[0].status == 401
        assert (await browser.get("/page/help"))[0].status == 401
        assert (await browser.get(headers={"Authorization": f"Bearer {TOKEN}"}))[0].status == 404


async def test_operators_see_tokens_and_tills_and_readers_see_no_token(served: Served) -> None:
    await make_ready(served)
    device = served.registry.devices()[0]
    await receipt(device.command, device)
    tokens = served.tokens
    auditor = await tokens.add(NewToken("steuerberater", Role.AUDITOR), 0)
    till = await tokens.add(NewToken("kasse-1", Role.TILL), 0)
    async with browser_of(served) as browser:
        await browser.log_in()
        page = (await browser.page()).text
        assert all(word in page for word in ("steuerberater", "auditor", "kasse-1", TOKEN, "Acts of operators"))
    async with browser_of(served) as browser:
        assert await browser.log_in(auditor) == "/"
        page = (await browser.page()).text
        assert "Recent warnings" in page
        assert all(word not in page for word in ("steuerberater", TOKEN, "kasse-1"))
        answer, _ = await browser.get("/api/v1/outages")
        assert answer.status == 200
        answer, _ = await browser.get("/api/v1/tokens")
        assert answer.status == 403
    async with browser_of(served) as browser:
        assert await browser.log_in(till) == "/?login=forbidden#login"
        assert "does not open the page" in (await browser.get("/?login=forbidden"))[1]


async def test_a_login_ends_with_its_token(served: Served) -> None:
    chief = await served.tokens.add(NewToken("chief", Role.OPERATOR), 0)
    async with browser_of(served) as browser:
        await browser.log_in(chief)
        assert "Recent warnings" in (await browser.page()).text
        await served.tokens.revoke("chief")
        assert "Recent warnings" not in (await browser.page()).text
