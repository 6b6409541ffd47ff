"""The document keeps what that of the last release promised (docs/developers/clients.md)."""

import copy
import json
from typing import Any

import pytest

from gateway.server.api.routes import document
from tests.openapi.promises import RELEASED, broken, promises

NOW = promises(document())
SIGN = "POST /api/v1/tses/{serial}/sign"


def test_nothing_is_broken_that_the_last_release_promised() -> None:
    assert list(broken(json.loads(RELEASED.read_text())["promises"], NOW)) == []


def _changed(change: str) -> dict[str, Any]:
    """The promises, changed by a statement about `api`, `body` and `receipt`."""
    api = copy.deepcopy(NOW)
    body, receipt = api[SIGN]["body"]["application/json"], api[SIGN]["responses"]["200"]["application/json"]
    exec(change, {"api": api, "body": body, "receipt": receipt, "SIGN": SIGN})
    return api


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("del api[SIGN]", "is gone"),
        ("del api[SIGN]['parameters']['query qr']", "query qr is gone"),
        ("api[SIGN]['parameters']['query qr']['form']['enum'].remove('png')", "query qr may not be png any more"),
        ("api[SIGN]['parameters']['query qr']['required'] = True", "query qr must be sent now"),
        ("del body['fields']['process_type']", "body/process_type is gone"),
        ("body['required'].append('process_type')", "body/process_type must be sent now"),
        ("body['fields']['process_type']['maxLength'] = 10", "body/process_type has a narrower maxLength"),
        ("body['fields']['process_data']['types'].remove('null')", "body/process_data may not be null any more"),
        ("del receipt['fields']['qr_text']", "200 application/json/qr_text is gone"),
        ("receipt['required'].remove('signature')", "200 application/json/signature may be missing now"),
        ("receipt['fields']['signature']['types'].append('null')", "200 application/json/signature may be null now"),
    ],
)
def test_what_would_break_software_is_found(change: str, told: str) -> None:
    assert list(broken(NOW, _changed(change))) == [f"{SIGN}: {told}"]


@pytest.mark.parametrize(
    "change",
    [
        "api['GET /api/v1/new'] = api[SIGN]",
        "body['fields']['new'] = {'types': ['string']}",
        "receipt['fields']['new'] = {'types': ['string']}",
        "api[SIGN]['parameters']['query new'] = {'required': False, 'form': {'types': ['string']}}",
        "body['fields']['process_type']['maxLength'] = 1000",
    ],
)
def test_what_may_come_is_no_break(change: str) -> None:
    assert list(broken(NOW, _changed(change))) == []
