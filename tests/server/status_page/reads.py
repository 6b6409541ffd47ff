"""What an operator looks up and takes along in a real Chromium, and what an auditor and a till get to see."""

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.app.gateway import Gateway
from gateway.server.pages.table import PAGES
from tests.server.status_page.visit import Proof

if TYPE_CHECKING:
    from tests.server.status_page.acts import Operator


async def read_and_take(operator: "Operator") -> None:
    """Search receipts, take exports, archive, package, certificate and bundle, report a till, look at the layers."""
    await operator.open("receipts")
    await operator.asks(client_id="POS-2")
    await operator.reads("POS-2")
    await operator.page.click("main table a >> nth=0")
    await operator.reads("Vorgang")
    await expect(operator.page.locator("svg.qr")).to_be_visible()
    await operator.look("de-receipt")
    await operator.open("receipts", "?client_id=nobody")
    await operator.reads("Kein Beleg gefunden.")
    await operator.look("de-receipts-none")

    await operator.open("exports")
    assert _members(await operator.saves("Export (TAR)"))
    await operator.asks(from_number="1", to_number="1")
    assert any("Log-Tra_No-1_" in name for name in _members(await operator.saves("Diesen Teil herunterladen")))
    await operator.send("run_archive")
    await operator.reads("Das Archiv enthält alles")
    assert _members(await operator.saves("-000001.tar"))
    await operator.look("de-exports")
    await operator.open("auditor", "?from=2026-01-01&to=2100-01-01")
    assert zipfile.is_zipfile(io.BytesIO(await operator.saves("Prüfpaket herunterladen")))

    await operator.open("tax-office")
    days = {"acquired": "2026-09-14", "in_service": "2026-09-21"}
    made = {"manufacturer": "Muster", "model": "T3", "software": "POS", "software_version": "7.4"}
    await operator.send("report_till", serial_number="POS-1", **made, **days)
    await operator.reads("Die Kasse POS-1 steht in der Liste.")
    await operator.look("de-tax-office")

    await operator.open("certificate")
    assert (await operator.saves("CA-Zertifikat (ca.crt)")).startswith(b"-----BEGIN CERTIFICATE")
    await operator.open("doctor")
    await operator.reads("hier anfangen")
    await operator.page.click("a.tile.bad >> nth=0")
    await expect(operator.page.locator("li:target .remedy")).to_be_visible()
    await operator.look("de-doctor")
    with zipfile.ZipFile(io.BytesIO(await operator.saves("Supportpaket herunterladen"))) as bundle:
        assert "doctor.json" in bundle.namelist()


async def roles(proof: Proof, gateway: Gateway, serial: str, options: dict[str, Any]) -> None:
    """An auditor sees and takes what is an auditor's, and the token of a till opens nothing."""
    tokens = {role: await gateway.tokens.add(NewToken(f"the-{role}", role), 0) for role in (Role.AUDITOR, Role.TILL)}
    async with proof.visit(**options) as seen:
        await seen.log_in(tokens[Role.TILL])
        await expect(seen.page.locator(".error")).to_contain_text("es ist für Kassen")
        await seen.look("de-login-of-a-till")
        await seen.log_in(tokens[Role.AUDITOR])
        names = await seen.page.locator("header nav li").all_inner_texts()
        assert names[1:] == [page.title.de for page in PAGES if Role.AUDITOR in page.roles]
        for page in PAGES:
            path = f"page/{page.name}" + (f"/{serial}" if page.of_tse else "")
            answer = await seen.page.goto(seen.url + path)
            assert answer is not None
            assert answer.status == (200 if Role.AUDITOR in page.roles else 403), page.name
            assert await seen.page.locator("main form[method=post]").count() == 0, "an auditor only reads"
            if page.name == "pins":
                await seen.look("de-auditor-refused")
        await seen.page.goto(f"{seen.url}page/exports/{serial}")
        await seen.look("de-auditor-exports")
        async with seen.page.expect_download():
            await seen.page.click("text=Export (TAR)")
        seen.expect_silence(but_for="status of 403")


def _members(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getnames()
