"""The pages under /docs in a real browser; `tests.server.status_page.chromium` calls it with a gateway that signs."""

from typing import Any

from playwright.async_api import expect

from tests.server.shop import TOKEN
from tests.server.status_page.visit import Proof


async def tries_requests(proof: Proof, serial: str, **options: Any) -> None:
    """A developer reads the document, gives the token, signs a receipt, and asks for what there is not."""
    async with proof.visit(locale="en-GB", **options) as seen:
        page = seen.page
        await page.goto(f"{proof.url}docs#sign_receipt")
        await expect(page.locator("h1")).to_contain_text("REST API")
        await seen.look("docs")

        await page.fill("#token", "wrong-token")
        await page.click("#access button")
        await expect(page.locator("#told")).to_contain_text("401")
        await page.fill("#token", TOKEN)
        await page.click("#access button")
        await expect(page.locator("#told")).to_contain_text(serial[:8])

        form = page.locator("#sign_receipt form")
        await expect(form.locator('input[name="serial"]')).to_have_value(serial)
        await form.locator("button").click()
        answer = form.locator(".answer")
        await expect(answer).to_contain_text("200")
        await expect(answer).to_contain_text("Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar")
        await expect(answer).to_contain_text('"certified": false')
        await seen.look("docs-tried")

        await page.click('nav a[href="/docs/errors"]')
        await expect(page.locator("h1")).to_have_text("Errors of the REST API")
        await seen.look("docs-errors")
        seen.expect_silence(but_for="401")  # which the browser tells of the wrong token
