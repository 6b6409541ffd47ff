"""Forms of the status page, which anybody may send: whatever arrives, no answer is a 500 and no line is of a defect."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.server.status_page.logins import LIFETIME
from tests.server.shop import TOKEN, Served, serve, settings_for, till_of, until
from tests.server.status_page.browser import browser_of
from tests.server.test_wire import request, wired

_FORM = "application/x-www-form-urlencoded"
_PART = b'--b\r\nContent-Disposition: form-data; name="token"\r\n'
_BROKEN = {
    "no content type": ("", b"token=x"),
    "JSON": ("application/json", b'{"token": "x"}'),
    "a senseless content type": ("\xff/;;=", b"token=x"),
    "an unknown charset": (f"{_FORM}; charset=klingon", b"token=x"),
    "a charset that is no text": (f"{_FORM}; charset=base64", b"token=x"),
    "a charset with NUL": (f'{_FORM}; charset="a%00"', b"token=x"),
    "bytes that are not UTF-8": (_FORM, b"token=\xff\xfe"),
    "escapes that are not UTF-8": (_FORM, b"token=%ff%fe"),
    "broken escapes": (_FORM, b"token=%zz%&&=;=&%"),
    "UTF-16 without a pair": (f"{_FORM}; charset=utf-16", b"t\xd8"),
    "NULs": (_FORM, bytes(2000)),
    "a thousand fields": (_FORM, b"a&" * 1000),
    "nothing": (_FORM, b""),
    "multipart without a boundary": ("multipart/form-data", _PART + b"\r\nx\r\n--b--\r\n"),
    "multipart with an empty boundary": ('multipart/form-data; boundary=""', b"x"),
    "multipart with a boundary that is too long": (f"multipart/form-data; boundary={'b' * 100}", b"x"),
    "multipart of other parts": ("multipart/form-data; boundary=c", _PART + b"\r\nx\r\n--b--\r\n"),
    "multipart without an end": ("multipart/form-data; boundary=b", _PART + b"\r\nx"),
    "multipart in a multipart": (
        "multipart/form-data; boundary=b",
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
    ),
    "a part without a name": ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
    "a part in an unknown charset": (
        "multipart/form-data; boundary=b",
        _PART + b"Content-Type: text/plain; charset=klingon\r\n\r\nx\r\n--b--\r\n",
    ),
    "a part in an unknown encoding": (
        "multipart/form-data; boundary=b",
        _PART + b"Content-Transfer-Encoding: klingon\r\n\r\nx\r\n--b--\r\n",
    ),
    "a part with a broken length": (
        "multipart/form-data; boundary=b",
        _PART + b"Content-Length: x\r\n\r\nx\r\n--b--\r\n",
    ),
    "a file": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="token"; filename="f"\r\n\r\nx\r\n--b--\r\n',
    ),
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(settings_for(tmp_path)) as running:
        yield running


@pytest.mark.parametrize("path", ["/page/login", "/page/logout"])
async def test_a_broken_form_is_the_clients_error(served: Served, path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with browser_of(served) as browser:
        answers = await asyncio.gather(*(_sent(served, path, kind, body) for kind, body in _BROKEN.values()))
        for name, answer in zip(_BROKEN, answers, strict=True):
            status = int(answer.split()[1])
            assert status in {303, 400, 413, 415}, name
            assert f"Max-Age={LIFETIME}" not in answer, name
        assert (await browser.page()).text
    assert _told(caplog) == []


@pytest.mark.parametrize(
    ("length", "body"),
    [
        ("Content-Length: 1000", "token="),
        ("Transfer-Encoding: chunked", "5\r\ntoken\r\n"),
        ("Transfer-Encoding: chunked", "five\r\n"),
    ],
)
async def test_a_client_that_hangs_up_in_a_body_is_no_defect(
    served: Served, caplog: pytest.LogCaptureFixture, length: str, body: str
) -> None:
    caplog.set_level(logging.DEBUG, "gateway")
    async with till_of(served) as till:
        command, sign = served.path(await till.lock(), "sendCommand"), f"/api/v1/tses/{served.serial}/sign"
        for path, kind in (("/page/login", _FORM), (command, "application/json"), (sign, "application/json")):
            caplog.clear()
            fields = f"Content-Type: {kind}\r\nExpect: 100-continue\r\n{length}\r\n"
            async with wired(served) as wire:
                await wire.send(request(path, "POST", fields))
                assert await wire.plain_record() == b"HTTP/1.1 100 Continue\r\n\r\n"
                await wire.send(body)
            await until(lambda: any(": 400 in " in line.getMessage() for line in caplog.records))
            assert _told(caplog) == []


async def test_a_right_token_logs_in_whatever_stands_beside_it(served: Served) -> None:
    answer = await _sent(served, "/page/login", f"{_FORM}; charset=klingon", f"x=%ff&token={TOKEN}&y".encode())
    assert answer.startswith("HTTP/1.1 303")
    assert f"Max-Age={LIFETIME}" in answer


async def _sent(served: Served, path: str, kind: str, body: bytes) -> str:
    headers = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n"
    async with wired(served) as wire:
        field = f"Content-Type: {kind}\r\n" if kind else ""
        await wire.send(f"{headers}{field}\r\n".encode("latin-1") + body)
        return (await wire.plain_record()).decode()


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What an operator reads of it, beside wrong tokens."""
    lines = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
    return [line for line in lines if "wrong API token" not in line]
