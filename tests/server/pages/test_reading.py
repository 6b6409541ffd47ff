"""The pages that only show: receipts, exports, outages, certificate, settings, log."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from tests.notifications.receivers import mail_server
from tests.server.api.client import make_ready
from tests.server.pages.forms import send
from tests.server.shop import TOKEN, Served, serve, settings_for
from tests.server.status_page.browser import Browser, Document, browser_of
from tests.support import receipt

pytestmark = pytest.mark.asyncio(loop_scope="module")
RECEIPTS = 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serve(settings_for(tmp_path_factory.mktemp("reading"), lock_wait=5)) as made:
        await make_ready(made)
        device = made.registry.devices()[0]
        for number in range(RECEIPTS):
            await receipt(device.command, device, data=b"Beleg^%d.00" % number)
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with browser_of(served) as made:
        await made.log_in(TOKEN)
        yield made


async def read(browser: Browser, path: str) -> Document:
    answer, text = await browser.get(path)
    assert answer.status == 200, text
    return Document(text)


def links(page: Document, pattern: str) -> list[str]:
    return [href for tag, given in page.tags if tag == "a" and re.search(pattern, href := given.get("href") or "")]


async def test_receipts_are_listed_by_pages_and_each_is_shown_with_its_code(served: Served, browser: Browser) -> None:
    path = f"/page/receipts/{served.serial}"
    first = await read(browser, path)
    listed = links(first, r"number=")
    (following,) = links(first, r"\?cursor=")
    second = await read(browser, following)
    assert (len(listed), len(links(second, r"number="))) == (25, RECEIPTS - 25)
    one = await read(browser, links(second, r"number=1&")[0])
    assert "Beleg^0.00" in one.text
    assert "V0;" in one.text
    assert [tag for tag, given in one.tags if tag == "svg" and given.get("class") == "qr"]
    assert any((given.get("d") or "").startswith("M0 0h7v1H0z") for tag, given in one.tags if tag == "path")


async def test_receipts_are_found_by_till_number_day_and_state(served: Served, browser: Browser) -> None:
    path = f"/page/receipts/{served.serial}"
    assert len(links(await read(browser, f"{path}?from_number=7&client_id=&state="), "number=")) == 1
    for nothing in ("client_id=POS-9", "state=open", "to=2020-01-01"):
        assert "No receipt was found" in (await read(browser, f"{path}?{nothing}")).text
    answer, text = await browser.get(f"{path}?from=yesterday")
    assert answer.status == 400
    assert "Traceback" not in text


async def test_an_export_of_some_days_is_downloaded_by_a_form_without_scripts(served: Served, browser: Browser) -> None:
    page = await read(browser, f"/page/exports/{served.serial}")
    (action,) = [given["action"] for tag, given in page.tags if tag == "form" and given.get("method") == "get"]
    for limits, status in (
        ("from=2026-01-01&to=2036-12-31&client_id=&from_number=3&to_number=4", 200),
        ("from=2020-01-01&to=2020-12-31&client_id=&from_number=&to_number=", 404),
    ):
        (link,) = links(await read(browser, f"{action}?{limits}"), "export/filtered")
        answer, _ = await browser.get(link)
        assert answer.status == status
    assert links(page, f"/api/v1/tses/{served.serial}/export$")


async def test_the_archive_is_brought_up_to_date_and_its_files_are_offered(served: Served, browser: Browser) -> None:
    path = f"/page/exports/{served.serial}"
    _, page, _ = await send(browser, path, "run_archive")
    assert "The archive holds everything" in page.text
    assert "Verification" in page.text
    for file in links(page, "/archive/files/"):
        assert (await browser.get(file))[0].status == 200
    assert links(page, "/archive/files/")


async def test_what_the_tax_office_asks_is_there_to_be_copied(served: Served, browser: Browser) -> None:
    page = await read(browser, f"/page/tax-office/{served.serial}")
    copied = page.attributes("data-copy")
    assert {served.serial, "0000-2026", "ecdsa-plain-SHA384"} <= copied
    assert "A simulated TSE is not notified" in page.text
    (file,) = links(page, "dsfinvk.csv")
    assert (await browser.get(file))[0].status == 200


async def test_the_audit_package_of_a_period_is_downloaded(browser: Browser) -> None:
    assert not links(await read(browser, "/page/auditor"), "audit-package")
    (link,) = links(await read(browser, "/page/auditor?from=2026-01-01&to=2036-12-31"), "audit-package")
    answer, _ = await browser.get(link)
    assert (answer.status, answer.content_type) == (200, "application/zip")


async def test_who_is_notified_is_shown_and_a_test_without_channels_says_what_to_set(browser: Browser) -> None:
    assert "not set up (GATEWAY_NOTIFY_MAIL_TO)" in (await read(browser, "/page/notifications")).text
    _, page, _ = await send(browser, "/page/notifications", "send_test_notification")
    assert "set GATEWAY_NOTIFY_MAIL_TO or GATEWAY_NOTIFY_WEBHOOK_URL" in page.text


async def test_a_test_message_is_sent_from_the_page(tmp_path: Path) -> None:
    async with mail_server() as server:
        mail = {"notify_mail_to": ["boss@shop.example"], "notify_mail_server": f"127.0.0.1:{server.port}"}
        async with serve(settings_for(tmp_path, **mail)) as served, browser_of(served) as browser:
            await browser.log_in(TOKEN)
            assert "boss@shop.example" in (await read(browser, "/page/notifications")).text
            _, page, _ = await send(browser, "/page/notifications", "send_test_notification")
            assert "Mail: sent" in page.text
            assert len(await server.until(1)) == 1


async def test_outages_certificate_settings_and_log_are_shown(served: Served, browser: Browser) -> None:
    assert "No outage is recorded" in (await read(browser, "/page/outages")).text
    certificate = await read(browser, "/page/certificate")
    assert "certutil -addstore Root ca.crt" in certificate.text
    assert re.search(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", certificate.text)
    for form, media in (("pem", "application/x-pem-file"), ("crt", "application/x-x509-ca-cert")):
        answer, text = await browser.get(f"/page/ca.{form}")
        assert (answer.status, answer.content_type) == (200, media)
        assert text == (served.settings.state_dir / "tls/ca.pem").read_text()
    settings = (await read(browser, "/page/settings")).text
    assert str(served.settings.state_dir) in settings
    assert TOKEN not in settings
    assert "No file, variable or option sets anything." in settings  # the settings of this test are code
    _, german = await browser.get("/page/settings", headers={"Accept-Language": "de"})
    assert "TCP-Port des LAN-TSE-Protokolls" in german
    assert "Log" in (await read(browser, "/page/log?level=WARNING")).text


async def test_the_layers_of_the_doctor_are_a_picture_that_shows_where_to_begin(
    served: Served, browser: Browser
) -> None:
    page = await read(browser, "/page/doctor")
    tiles = [given for tag, given in page.tags if (given.get("class") or "").startswith("tile ")]
    assert {given["class"] for given in tiles} == {"tile good", "tile bad"}
    (begin,) = (given["href"] for given in tiles if given["class"] == "tile bad")
    assert begin == "#gateway-clock"
    assert "begin here" in page.text
    places = {given.get("id") for _, given in page.tags}
    assert {(given["href"] or "").removeprefix("#") for given in tiles} <= places, "each tile leads to its sentence"
    assert "UDP port 123" in page.text
    answer, _ = await browser.get(links(page, "support-bundle")[0])
    assert (answer.status, answer.content_type) == (200, "application/zip")
    token = await served.tokens.add(NewToken("watcher", Role.MONITOR), 0)
    async with browser_of(served) as other:
        await other.log_in(token)
        assert links(await read(other, "/page/doctor"), "support-bundle") == []


async def test_what_an_endpoint_tells_a_page_is_in_the_language_of_the_page(served: Served) -> None:
    async with browser_of(served, "en") as browser:
        await browser.log_in(TOKEN)
        await browser.get("/page/language?to=de&back=/page/doctor")
        page = await read(browser, "/page/doctor")
        assert "Bestanden, nächster in 24 h." in page.text
        assert "begin here" not in page.text


async def test_a_name_of_a_till_and_a_logged_text_become_no_markup(served: Served, browser: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    for query in (f"client_id={evil}", f"number={evil}", f"cursor={evil}", f"from={evil}"):
        path = f"/page/receipts/{served.serial}?{query}"
        answer, text = await browser.get(path, headers={"Accept": "text/html"})
        assert (answer.status, answer.content_type) == (400, "text/html")
        assert "<script>alert" not in text
    page = await read(browser, f"/page/receipts/{served.serial}?client_id=%26<b")
    assert [tag for tag, given in page.tags if tag == "script" and not given.get("src")] == []
