"""The pages by which operators act, over TLS as a browser without scripts: each act, its errors, who may do it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from gateway.access.caller import READERS, Role
from gateway.access.tokens import NewToken
from gateway.server.pages.table import PAGES
from tests.server.api.client import SECRETS, make_ready
from tests.server.pages.forms import Forms, forms_of, send
from tests.server.shop import TOKEN, Served, serve, settings_for, till_of
from tests.server.status_page.browser import Browser, Document, browser_of

PIN = SECRETS["admin_pin"]


@dataclass(frozen=True)
class Shop:
    """A gateway with one TSE in service, and a token of each role."""

    served: Served
    tokens: dict[Role, str]

    def path(self, page: str) -> str:
        return f"/page/{page}/{self.served.serial}"

    @property
    def clients(self) -> tuple[bytes, ...]:
        """Those that the TSE knows."""
        return self.served.tse._core.state.clients

    def acts(self) -> list[tuple[str, str, str]]:
        """Who did what with which result, by the audit log; the oldest first."""
        log = (self.served.settings.state_dir / "audit.jsonl").read_text(encoding="utf-8")
        return re.findall(r'"who": ?"([^"]*)".*?"act": ?"([^"]*)".*?"result": ?"([^"]*)"', log)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with serve(settings_for(tmp_path_factory.mktemp("pages"), lock_wait=1)) as served:
        await make_ready(served)
        tokens = {Role.LAN: TOKEN}
        for role in (Role.OPERATOR, Role.AUDITOR, Role.MONITOR):
            tokens[role] = await served.tokens.add(NewToken(f"a-{role}", role), 0)
        yield Shop(served, tokens)


@pytest_asyncio.fixture(loop_scope="module")
async def chief(shop: Shop) -> AsyncIterator[Browser]:
    async with browser_of(shop.served) as browser:
        await browser.log_in(shop.tokens[Role.OPERATOR])
        yield browser


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("role", sorted(READERS))
async def test_each_role_sees_its_pages_and_may_send_its_forms_and_no_more(shop: Shop, role: Role) -> None:
    async with browser_of(shop.served) as browser:
        await browser.log_in(shop.tokens[role])
        linked = (await browser.page()).attributes("href")
        for page in PAGES:
            path = shop.path(page.name) if page.of_tse else page.path()
            sees = role in page.roles
            answer, text = await browser.get(path)
            assert answer.status == (200 if sees else 403), path
            assert (page.path() in linked) == sees
            shown = Forms(text).found if sees else {}
            for form in page.forms:
                may = role in form.endpoint.roles
                assert may or form.name not in shown, form.name
                answer, text = await browser.get(
                    f"{path}/{form.name}", "POST", data={"form_token": await _token(browser, shop)}
                )
                assert answer.status == (303 if may and sees else 403), (form.name, text)


async def test_who_is_not_logged_in_is_led_to_the_login_and_does_nothing(shop: Shop) -> None:
    async with browser_of(shop.served) as browser:
        for page in PAGES:
            path = shop.path(page.name) if page.of_tse else page.path()
            for method, target in [("GET", path), *(("POST", f"{path}/{form.name}") for form in page.forms)]:
                answer, _ = await browser.get(target, method, data={"x": "y"} if method == "POST" else None)
                assert (answer.status, answer.headers["Location"]) == (303, f"/?back={page.name}#login"), target


async def test_a_login_leads_back_to_the_page_that_wanted_it_and_nowhere_else(shop: Shop) -> None:
    for wanted, back in (("tills", "/page/tills"), ("//elsewhere.example", "/"), ("nothing", "/"), ("tills/..", "/")):
        async with browser_of(shop.served) as browser:
            _, text = await browser.get("/", params={"back": wanted})
            fields = Forms(text).found["login"].fields
            assert fields.get("back", "") == back.removeprefix("/page/").strip("/")
            answer, _ = await browser.get("/page/login", "POST", data={"token": TOKEN, "back": wanted})
            assert answer.headers["Location"] == back


async def test_a_form_of_another_site_or_without_the_secret_of_the_login_does_nothing(
    shop: Shop, chief: Browser
) -> None:
    action = f"{shop.path('tills')}/register_client"
    fields = {"client_id": "EVIL", "admin_pin": PIN}
    token = await _token(chief, shop)
    for given, headers in (
        ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({"form_token": token}, {"Origin": "https://elsewhere.example"}),
        ({}, {}),
        ({"form_token": "guessed"}, {}),
    ):
        answer, _ = await chief.get(action, "POST", data=fields | given, headers=headers)
        assert answer.status == 400
    assert b"EVIL" not in shop.clients


async def test_a_till_is_registered_and_deregistered_in_two_steps_and_the_audit_log_says_who_did_it(
    shop: Shop, chief: Browser
) -> None:
    where, page, _ = await send(chief, shop.path("tills"), "register_client", client_id="POS-7", admin_pin=PIN)
    assert "The till POS-7 is registered." in page.text
    assert b"POS-7" in shop.clients
    answer, _ = await chief.get(where)
    assert answer.status == 200, "to load it again sends nothing again"
    _, page, _ = await send(chief, shop.path("tills"), "list_clients", admin_pin=PIN)
    assert "POS-7" in page.text
    where, page, forms = await send(chief, shop.path("tills"), "deregister_client", client_id="POS-7", admin_pin=PIN)
    assert "can sell no more with this TSE" in page.text
    assert b"POS-7" in shop.clients, "it is asked first"
    assert PIN not in str(forms), "the PIN stays in the gateway"
    _, page, _ = await send(chief, where, "deregister_client")
    assert "The till POS-7 is deregistered." in page.text
    assert b"POS-7" not in shop.clients
    done = [act for act in shop.acts() if act[1] in {"register_client", "deregister_client"}][-2:]
    assert done == [("a-operator", "register_client", "done"), ("a-operator", "deregister_client", "done")]


async def test_a_till_is_renamed_or_all_stays_as_it_was(shop: Shop, chief: Browser) -> None:
    path = shop.path("tills")
    await send(chief, path, "register_client", client_id="OLD", admin_pin=PIN)
    _, page, _ = await send(chief, path, "rename_client", client_id="OLD", new_client_id="NEW", admin_pin=PIN)
    assert "The till OLD is now NEW." in page.text
    assert {b"OLD", b"NEW"}.intersection(shop.clients) == {b"NEW"}
    for old, new, why in (("OLD", "X", "not registered"), ("NEW", "POS-1", "registered already")):
        _, page, _ = await send(chief, path, "rename_client", client_id=old, new_client_id=new, admin_pin=PIN)
        assert why in page.text
    start = {"client_id": "NEW", "process_type": "Kassenbeleg-V1"}
    url, headers = f"/api/v1/tses/{shop.served.serial}/transactions", {"Authorization": f"Bearer {TOKEN}"}
    async with browser_of(shop.served) as till:
        answer, text = await till.get(url, "POST", json=start, headers=headers)
        assert answer.status == 200, text
        _, page, _ = await send(chief, path, "rename_client", client_id="NEW", new_client_id="NEWER", admin_pin=PIN)
        assert "refused the command" in page.text
        assert {b"NEW", b"NEWER"}.intersection(shop.clients) == {b"NEW"}


async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays_but_no_pin(
    shop: Shop, chief: Browser
) -> None:
    _, page, forms = await send(chief, shop.path("tills"), "register_client", client_id="Käse/1", admin_pin="1")
    assert "letters without umlauts" in page.text
    assert "Admin PIN has fewer than 5 characters." in page.text
    fields = {attributes.get("id"): attributes for _, attributes in page.tags}
    assert fields["register-client-client-id"]["aria-invalid"] == "true"
    assert fields["register-client-client-id"]["value"] == "Käse/1"
    assert "value" not in fields["register-client-admin-pin"]
    assert fields["register-client-admin-pin"]["aria-describedby"] in _with_error(page)
    assert "risk_lockout" not in forms["register_client"].names


async def test_a_wrong_pin_is_told_and_not_sent_again_unless_the_operator_says_so(shop: Shop, chief: Browser) -> None:
    path = shop.path("tills")
    _, page, _ = await send(chief, path, "list_clients", admin_pin="54321")
    assert "refused" in page.text
    where, page, forms = await send(chief, path, "list_clients", admin_pin="54321")
    assert "has refused this PIN or PUK before" in page.text
    assert "risk_lockout" in forms["list_clients"].names, "only now it is offered"
    _, page, _ = await send(chief, where, "list_clients", admin_pin=PIN)
    assert "POS-1" in page.text


async def test_a_lock_is_taken_from_its_holder_when_that_is_confirmed(shop: Shop, chief: Browser) -> None:
    async with till_of(shop.served) as till:
        session = await till.lock()
        where, page, _ = await send(chief, shop.path("tills"), "release_lock")
        assert "is aborted" in page.text
        assert shop.served.registry.devices()[0].lock.status is not None
        _, page, _ = await send(chief, where, "release_lock")
        assert "The TSE is free again." in page.text
        assert (await till.ask(shop.served.path(session, "info"))).status == 400


async def test_self_test_and_time_are_done_at_once(shop: Shop, chief: Browser) -> None:
    path = shop.path("maintenance")
    _, page, _ = await send(chief, path, "run_self_test", client_id="POS-1")
    assert "has passed its self test" in page.text
    _, page, _ = await send(chief, path, "run_self_test", client_id="nobody")
    assert "refused the command" in page.text
    where, page, forms = await send(chief, path, "set_time", pin=SECRETS["time_admin_pin"])
    assert "not known to be right" in page.text, "nobody vouches for the clock of this machine"
    assert "trust_system_clock" in forms["set_time"].names
    _, page, _ = await send(chief, where, "set_time", pin=SECRETS["time_admin_pin"], trust_system_clock="yes")
    assert "The time is set." in page.text


async def test_a_token_is_shown_once_replaced_and_ended(shop: Shop, chief: Browser) -> None:
    where, page, _ = await send(
        chief, "/page/tokens", "add_token", name="kasse-9", role="till", client_ids="POS-1\nPOS-2"
    )
    (token,) = page.attributes("data-copy")
    assert token in page.text
    (found,) = shop.served.tokens.named("kasse-9")
    assert found.clients == ("POS-1", "POS-2")
    assert token not in (await chief.get("/page/tokens"))[1]
    _, page, _ = await send(chief, "/page/tokens", "add_token", name="kasse-9", role="till")
    assert "there is a token" in page.text.lower()
    _, page, _ = await send(chief, "/page/tokens", "rotate_token", name="kasse-9", overlap_seconds="86400")
    assert page.attributes("data-copy") != {token}
    assert len(shop.served.tokens.named("kasse-9")) == 2
    where, page, _ = await send(chief, "/page/tokens", "revoke_token", name="kasse-9")
    assert "refused at once" in page.text
    _, page, _ = await send(chief, where, "revoke_token")
    assert not [token for token in shop.served.tokens.all() if token.name == "kasse-9"]


async def test_tills_of_the_site_are_entered_changed_and_taken_out_for_the_tax_office(
    shop: Shop, chief: Browser
) -> None:
    path = shop.path("tax-office")
    given = {"manufacturer": "Muster", "model": "T3", "software": "POS", "software_version": "7.4"}
    days = {"acquired": "2026-09-14", "in_service": "2026-09-21"}
    _, page, _ = await send(chief, path, "report_till", serial_number="POS-1", **given, **days)
    assert "The till POS-1 is in the list." in page.text
    assert "The file lacks: BSI id of the TSE" in page.text, "a simulated TSE has none"
    known = (await forms_of(chief, f"{path}?till=POS-1"))["report_till"].fields
    assert (known["model"], known["acquired"]) == ("T3", "2026-09-14")
    _, page, _ = await send(chief, f"{path}?till=POS-1", "report_till", software_version="8.0", in_service="9-1-2026")
    assert "Date of taking into service" in page.text
    _, page, _ = await send(chief, f"{path}?till=POS-1", "report_till", software_version="8.0")
    assert "POS 8.0" in page.text
    async with browser_of(shop.served) as auditor:
        await auditor.log_in(shop.tokens[Role.AUDITOR])
        _, text = await auditor.get(path)
        assert "POS 8.0" in text
        assert "?till=" not in text
    where, page, _ = await send(chief, path, "remove_site_till", serial_number="POS-1")
    assert "entered by mistake" in page.text
    _, page, _ = await send(chief, where, "remove_site_till")
    assert "The till POS-1 is no longer in the list." in page.text
    assert "No till is entered yet." in page.text


async def test_german_pages_are_german(shop: Shop) -> None:
    async with browser_of(shop.served, "de") as browser:
        await browser.log_in(shop.tokens[Role.OPERATOR])
        _, page, _ = await send(browser, shop.path("tills"), "register_client", client_id="POS-8", admin_pin=PIN)
        assert "Die Kasse POS-8 ist angemeldet." in page.text
        answer, _ = await browser.get(f"/page/language?to=en&back={shop.path('tills')}")
        assert answer.headers["Location"] == shop.path("tills")
        assert (await browser.get("/page/language?to=de&back=https://elsewhere.example"))[0].headers["Location"] == "/"


async def test_a_browser_reads_an_error_as_a_page(shop: Shop, chief: Browser) -> None:
    answer, text = await chief.get("/page/tills/ABCDEF0123", headers={"Accept": "text/html"})
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "No TSE with this serial" in text
    answer, text = await chief.get("/page/nothing", headers={"Accept": "text/html"})
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "There is no such path" in text


async def test_a_page_of_a_tse_is_found_without_its_serial(shop: Shop, chief: Browser) -> None:
    answer, _ = await chief.get("/page/tills")
    assert answer.headers["Location"] == shop.path("tills")


async def _token(browser: Browser, shop: Shop) -> str:
    """The secret of the forms of this login; empty if it sees none."""
    found = await forms_of(browser, shop.path("tills"))
    return next((form.fields["form_token"] for form in found.values() if "form_token" in form.fields), "")


def _with_error(page: Document) -> set[str]:
    described = {attributes.get("id") or "" for _, attributes in page.tags if attributes.get("class") == "error"}
    return {f"{name.removesuffix('-error')}-hint {name}" for name in described}
