"""Receipts through the JSON API: what they show, and that it can be verified."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway.tse.commands import TransactionStep
from gateway.tse.der import integer_element
from gateway.tse.logmessage import LogMessage, UnsignedMessage
from gateway.tse.tar import members
from tests.server.api.client import RECEIPT, Api, api_of, make_ready
from tests.server.shop import Served
from tests.support import export, step

START = {"client_id": "POS-1"}
_FIELDS = 12


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served, b"POS-1", b"POS-2")
    async with api_of(served) as made:
        yield made


async def stored(api: Api) -> list[LogMessage]:
    tar = await export(api.served.registry.devices()[0])
    return [LogMessage.decode(member.data) for member in list(members(tar))[2:]]


def verify_qr(text: str) -> None:
    """Rebuild the signed message from nothing but the text, as an auditor's app does."""
    fields = text.split(";")
    assert len(fields) == _FIELDS
    version, client, kind, data, number, counter, start, end, algorithm, form, signature, key = fields
    assert (version, algorithm, form) == ("V0", "ecdsa-plain-SHA384", "unixTime")
    point, raw = base64.b64decode(key), base64.b64decode(signature)
    assert datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    draft = UnsignedMessage.transaction(
        operation="FinishTransaction",
        client_id=client.encode(),
        process_data=data.encode(),
        process_type=kind.encode(),
        number=int(number),
        serial=hashlib.sha256(point).digest(),
        counter=int(counter),
        log_time=integer_element(int(datetime.fromisoformat(end).timestamp())),
    )
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.BrainpoolP384R1(), point)
    der = utils.encode_dss_signature(int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
    public.verify(der, draft.to_be_signed, ec.ECDSA(hashes.SHA384()))


async def test_a_receipt_shows_everything_and_its_qr_text_verifies(api: Api) -> None:
    answer = await api.post("/sign", RECEIPT)
    assert answer.status == 200
    receipt = answer.json
    verify_qr(receipt["qr_text"])
    start, finish = (await stored(api))[-2:]
    assert receipt["tse_serial"] == api.served.serial
    assert receipt["operation"] == "finish"
    assert receipt["transaction_number"] == finish.transaction_number
    assert receipt["signature_counter"] == finish.signature_counter
    assert base64.b64decode(receipt["signature"]) == finish.signature
    assert datetime.fromisoformat(receipt["start_time"]).timestamp() == start.log_time
    assert datetime.fromisoformat(receipt["log_time"]).timestamp() == finish.log_time
    assert receipt["warnings"] == []
    assert not receipt["replayed"]
    assert (start.process_type, start.process_data) == ("", b"")
    assert finish.process_data.decode() == RECEIPT["process_data"]


async def test_start_update_finish(api: Api) -> None:
    started = (await api.post("/transactions", START)).json
    number = started["transaction_number"]
    assert (started["operation"], started["qr_text"]) == ("start", None)
    listed = (await api.get("/transactions/open", params={"client_id": "POS-1"})).json
    assert listed == {"transactions": [{"transaction_number": number, "start_time": started["log_time"]}]}
    assert (await api.get("/transactions/open", params={"client_id": "POS-2"})).json == {"transactions": []}
    updated = await api.post(f"/transactions/{number}/update", RECEIPT)
    assert updated.json["operation"] == "update"
    finished = await api.post(f"/transactions/{number}/finish", RECEIPT)
    verify_qr(finished.json["qr_text"])
    assert finished.json["start_time"] == started["start_time"]
    assert (await api.get("/transactions/open")).json == {"transactions": []}
    last = (await api.get("/transactions/last", params={"client_id": "POS-1"})).json
    assert last == finished.json
    assert (await api.get(f"/transactions/{number}")).json == finished.json


async def test_the_start_of_a_transaction_that_another_software_began_is_found_in_the_store(api: Api) -> None:
    device = api.served.registry.devices()[0]
    number = (await step(device.command, device, TransactionStep.START)).transaction_number
    finished = await api.post(f"/transactions/{number}/finish", RECEIPT)
    verify_qr(finished.json["qr_text"])


async def test_cancel_finishes_as_an_aborted_receipt(api: Api) -> None:
    number = (await api.post("/transactions", START)).json["transaction_number"]
    cancelled = await api.post(f"/transactions/{number}/cancel", START)
    assert cancelled.json["process_data"].startswith("AVBelegabbruch^")
    assert cancelled.json["warnings"] == []
    assert (await api.get("/transactions/open")).json == {"transactions": []}


async def test_the_same_key_gets_the_same_answer_and_another_body_is_refused(api: Api) -> None:
    first = await api.post("/sign", RECEIPT, key="receipt-1")
    again = await api.post("/sign", RECEIPT, key="receipt-1")
    assert again.json == first.json | {"replayed": True}
    other = await api.post("/sign", RECEIPT | {"client_id": "POS-2"}, key="receipt-1")
    assert (other.status, other.json["code"]) == (422, "key_reused")
    assert len([message for message in await stored(api) if message.operation == "FinishTransaction"]) == 1


@pytest.mark.parametrize("key", ["x" * 129, "with space"])
async def test_a_key_must_be_one(api: Api, key: str) -> None:
    answer = await api.post("/sign", RECEIPT, key=key)
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


@pytest.mark.parametrize(("kind", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG")])
async def test_the_qr_code_can_be_had_as_a_picture(api: Api, kind: str, magic: bytes) -> None:
    receipt = (await api.post("/sign", RECEIPT, params={"qr": kind})).json
    drawn = receipt["qr_svg"].encode() if kind == "svg" else base64.b64decode(receipt["qr_png_base64"])
    assert magic in drawn
    fetched = await api.get(f"/transactions/{receipt['transaction_number']}/qr", params={"kind": kind})
    assert fetched.body == drawn


async def test_data_of_another_form_are_a_warning_and_signed_unchanged(api: Api) -> None:
    data = "Beleg^1,19^"
    answer = await api.post("/sign", RECEIPT | {"process_data": data})
    assert [warning["code"] for warning in answer.json["warnings"]] == ["receipt_totals"]
    assert (await stored(api))[-1].process_data.decode() == data


async def test_data_of_another_form_are_an_error_on_wish_and_nothing_is_signed(api: Api) -> None:
    before = len(await stored(api))
    answer = await api.post("/sign", RECEIPT | {"process_data": "x"}, params={"check": "error"})
    assert (answer.status, answer.json["code"]) == (422, "process_data_form")
    assert len(await stored(api)) == before


@pytest.mark.parametrize("data", [b"", b"\xff\x00\xfe", "Käse".encode(), b"x" * 70_000])
async def test_any_bytes_are_signed_unchanged(api: Api, data: bytes) -> None:
    body = START | {"process_type": "SonstigerVorgang", "process_data_base64": base64.b64encode(data).decode()}
    answer = await api.post("/sign", body, params={"qr": "svg"})
    assert base64.b64decode(answer.json["process_data_base64"]) == data
    assert (await stored(api))[-1].process_data == data


async def test_what_the_tse_refuses_has_a_stable_code(api: Api) -> None:
    answer = await api.post("/sign", RECEIPT | {"client_id": "POS-9"})
    assert answer.status == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == "client_not_registered"
    assert answer.json["device_result"] == 0x1011
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    gone = await api.get("/transactions/77")
    assert (gone.status, gone.json["code"]) == (404, "transaction_not_found")


async def test_while_the_tse_is_away_requests_fail_at_once_with_the_reason(api: Api) -> None:
    api.served.tse.faults.set("unplugged")
    for _ in range(2):
        answer = await api.post("/sign", RECEIPT, key="k")
        assert (answer.status, answer.json["code"]) == (503, "device_gone")
        assert "No such device" in answer.json["detail"]
    api.served.tse.faults.clear()


@pytest.mark.parametrize("nothing", ["", None])
async def test_a_client_may_send_both_kinds_of_process_data_if_one_is_empty(api: Api, nothing: str | None) -> None:
    text = await api.post("/sign", {**RECEIPT, "process_data_base64": nothing})
    assert (text.status, text.json["process_data"]) == (200, RECEIPT["process_data"])
    coded = {"process_data": nothing, "process_data_base64": base64.b64encode(b"\xff").decode()}
    data = await api.post("/sign?check=off", {**RECEIPT, **coded})
    assert (data.status, data.json["process_data_base64"]) == (200, "/w==")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "client_id"),
        ({"client_id": "a/b"}, "client_id"),
        ({"client_id": "POS-1", "surprise": 1}, "surprise"),
        ({"client_id": "POS-1", "process_data": "a", "process_data_base64": "YQ=="}, ""),
        ({"client_id": "POS-1", "process_data_base64": "?"}, "process_data_base64"),
        ({"client_id": 5}, "client_id"),
    ],
)
async def test_a_wrong_body_is_told_where(api: Api, body: object, at: str) -> None:
    answer = await api.post("/sign", body)
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
    assert [place["at"] for place in answer.json["errors"]] == [at]


async def test_what_is_no_json_is_told(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"", b"\xff", b'{"client_id": "\\ud800"}', b"[" * 5000):
        answer = await api.ask("POST", "/sign", data=body, headers=headers)
        assert answer.status in (400, 422)
    answer = await api.ask("POST", "/sign", data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
