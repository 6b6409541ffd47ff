"""A refusal names the parameter or field, in the reader's language, what mends it, and a page that exists."""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.i18n.negotiation import from_accept_language
from gateway.server.api import error_list, remedies
from gateway.server.http import tls
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served

GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        yield made


BODIES: list[Any] = [
    ({}, "client_id is missing", "client_id fehlt"),
    ({"client_id": 7}, "client_id must be a string", "client_id muss eine Zeichenkette sein"),
    (
        RECEIPT | {"proces_data": ""},
        "proces_data is unknown here; did you mean process_data?",
        "proces_data gibt es hier nicht; gemeint ist vielleicht process_data",
    ),
    (
        RECEIPT | {"process_type": "x" * 101},
        "process_type has more than 100 characters",
        "process_type hat mehr als 100 Zeichen",
    ),
    (
        RECEIPT | {"process_data_base64": "eA=="},
        "process_data and process_data_base64 exclude each other",
        "process_data und process_data_base64 schließen einander aus",
    ),
    ([], "must be an object with the documented fields", "muss ein Objekt mit den dokumentierten Feldern sein"),
]


async def test_a_body_is_refused_by_a_sentence_that_names_the_field(api: Api) -> None:
    for body, english, german in BODIES:
        for headers, detail in (({}, english), (GERMAN, german)):
            refused = await api.post("/sign", body, headers=headers)
            assert (refused.status, refused.json["code"], refused.json["detail"]) == (422, "invalid_request", detail)
            assert f"{refused.json['errors'][0]['at']} {refused.json['errors'][0]['message']}".strip() == detail


async def test_all_wrong_fields_are_named_at_once_and_no_value_is_shown(api: Api) -> None:
    refused = await api.post("/pin", {"user": "nobody", "old_pin": "123456789", "new_pin": "1"})
    assert refused.json["detail"] == (
        "user is none of 'admin', 'time_admin', 'logger'; old_pin has more than 5 characters; "
        "new_pin has fewer than 5 characters"
    )
    assert "123456789" not in refused.body.decode()


async def test_a_parameter_is_refused_by_a_sentence_that_names_it(api: Api) -> None:
    refused = await api.get("/transactions/0", headers=GERMAN)
    assert (refused.status, refused.json["detail"]) == (400, "number ist kleiner als 1")


async def test_process_data_without_the_form_of_their_type_are_explained(api: Api) -> None:
    body = RECEIPT | {"process_data": "Beleg^1.19^1.19:Bar"}
    refused = await api.post("/sign", body, params={"check": "error"}, headers=GERMAN)
    assert (refused.status, refused.json["code"]) == (422, "process_data_form")
    assert refused.json["detail"].startswith("process_data hat nicht die Form ihres Typs: die Umsätze sind fünf")
    warned = await api.post("/sign", body, headers=GERMAN)
    assert warned.json["warnings"][0]["message"].startswith("die Umsätze sind fünf")


async def test_an_empty_or_null_field_is_as_none_since_generated_clients_send_them(api: Api) -> None:
    for nothing in ("", None):
        assert (await api.post("/sign", RECEIPT | {"process_data_base64": nothing})).status == 200


async def test_what_mends_it_is_named_with_the_path_of_the_tse(served: Served) -> None:
    async with api_of(served) as api:
        refused = await api.post("/sign", RECEIPT)
        assert refused.json["code"] == "not_initialized" or refused.json["code"].startswith("needs_")
        assert f"POST /api/v1/tses/{served.serial}/" in refused.json["remedy"]
        assert "`tse-gateway " in refused.json["remedy"]
        german = await api.post("/sign", RECEIPT, headers=GERMAN)
        assert re.search("Ausführen|Einrichten|Einrichtung", german.json["remedy"])
        assert german.json["title"] == "Die TSE hat den Befehl abgelehnt"
        assert german.json["detail"].startswith("die TSE hat den Befehl abgelehnt: 0x10")


async def test_each_problem_leads_to_its_row_on_a_page_that_needs_no_token(served: Served) -> None:
    connector = aiohttp.TCPConnector(ssl=tls.client_context(served.settings))
    async with aiohttp.ClientSession(served.url, connector=connector) as session:
        for language, said in (("de", "Bedeutung"), ("en", "Meaning")):
            async with session.get("/docs/errors", headers={"Accept-Language": language}) as answer:
                page = await answer.text()
                assert (answer.status, answer.content_type) == (200, "text/html")
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert said in page
            for row in (*error_list.of_the_api(), *error_list.of_tses()):
                assert f'id="{row.code}"' in page
        async with session.get("/api/v1/tses") as refused:
            problem = await refused.json(content_type=None)
            assert (refused.status, problem["type"]) == (401, "/docs/errors#unauthorized")
        for path in ("/docs/docs.css", "/api/v1/openapi.json"):
            async with session.get(path) as answer:
                assert answer.status == 200, path
        async with session.get("/docs/nothing") as answer:
            assert answer.status == 404


async def test_a_wrong_pin_is_told_in_german_with_the_tries_that_are_left(api: Api) -> None:
    refused = await api.post("/clients/list", {"admin_pin": "99999"}, headers=GERMAN)
    assert refused.json["detail"] == "die TSE hat den Befehl abgelehnt: 0x1102 falsche PIN oder PUK, noch 2 Versuche"


def test_a_remedy_belongs_to_a_code_that_there_is() -> None:
    codes = {row.code for row in (*error_list.of_the_api(), *error_list.of_tses())}
    assert set(remedies.REMEDIES) <= codes
    assert from_accept_language(GERMAN["Accept-Language"], "en") == "de"
