"""The document that describes the JSON API, and the page of its errors."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from gateway.archive.manifest import Manifest
from gateway.server.api import error_list, routes
from gateway.server.api.endpoint import Endpoint
from tests.server.api.test_transactions import verify_qr
from tests.server.shop import Till

DOCUMENT = routes.document()
SCHEMAS = DOCUMENT["components"]["schemas"]
# Names of the public interface: a client generated from the document has classes called so.
NAMES = {
    "AdminRequest",
    "AuditEntry",
    "AuditList",
    "ArchiveList",
    "ArchiveRun",
    "ArchiveStamp",
    "ArchiveStatus",
    "ArchiveSummary",
    "ArchiveTargetStatus",
    "CancelRequest",
    "ClientList",
    "ClientRequest",
    "ClockState",
    "ConfirmationRequest",
    "ConfirmationToken",
    "DecommissionRequest",
    "DeletionRequest",
    "DeletionResult",
    "Done",
    "DsfinvkTse",
    "ElsterData",
    "OwnExport",
    "ArchiveFinding",
    "FindingPlace",
    "FlashMemoryHealth",
    "GrowthForecast",
    "HeldLock",
    "LockState",
    "TillUse",
    "InvalidField",
    "LogEntry",
    "LogLines",
    "LoggedOutage",
    "Manifest",
    "OpenTransaction",
    "OpenTransactionList",
    "OutageList",
    "PoolState",
    "PoolTse",
    "PoolUse",
    "PinChangeRequest",
    "OrderLine",
    "Payment",
    "Problem",
    "ProcessDataWarning",
    "ReleasedLock",
    "ArchiveProgress",
    "PukChangeRequest",
    "SelfTestRequest",
    "SetupRequest",
    "SiteTill",
    "SiteTillList",
    "SiteTillRemoval",
    "SiteTillRequest",
    "SignRequest",
    "SignedReceipt",
    "TimeRequest",
    "OldToken",
    "TokenDetails",
    "TokenList",
    "TokenRequest",
    "TokenRevocation",
    "TokenRotation",
    "TokenSecret",
    "TokenUse",
    "RunFailure",
    "TseDetails",
    "ListedTransaction",
    "TransactionDetails",
    "TransactionList",
    "TypedOrder",
    "TypedReceipt",
    "VatAmounts",
    "TseList",
    "TseSummary",
    "TseTime",
    "UnblockRequest",
    "ArchiveVerdict",
    "Examination",
    "LayerFinding",
    "NotificationTest",
    "NotificationTestResult",
}


def operations() -> Iterator[dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        yield from item.values()


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operation, media type and what is said of it, of all bodies and successful responses."""
    for operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [response for status, response in operation["responses"].items() if status.startswith("2")]
        for body in bodies:
            for media, content in body["content"].items():
                yield operation["operationId"], media, content


async def test_the_served_document_is_valid_and_the_command_prints_the_same(till: Till) -> None:
    served = (await till.ask(routes.DOCUMENT)).json
    validate(served)
    command = sys.executable, "-m", "gateway", "openapi"
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await process.communicate()
    assert json.loads(printed) == served


def test_every_endpoint_is_described() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(endpoint.method, endpoint.path) for endpoint in routes.ENDPOINTS}
    names = [operation["operationId"] for operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    for operation in operations():
        assert {"200", "400", "401", "500"} <= operation["responses"].keys()
        assert operation["summary"]
        assert operation["description"].endswith(".")
        assert set(operation["tags"]) <= tags
        assert all(parameter["description"].endswith(".") for parameter in operation["parameters"])


def test_every_body_and_success_has_an_example_that_fits_its_schema_or_is_binary() -> None:
    for operation, media, content in contents():
        if content["schema"].get("format") == "binary":
            assert "*" not in media, operation
        else:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            OAS31Validator(schema).validate(content["example"])


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in routes.ENDPOINTS if endpoint.has_body])
def test_the_example_of_a_body_is_taken(endpoint: Endpoint) -> None:
    content = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["requestBody"]["content"]
    endpoint.body.model_validate_json(json.dumps(content["application/json"]["example"]))


def test_bodies_of_requests_declare_no_defaults_that_generated_clients_would_send() -> None:
    found = {
        f"{name}.{field}"
        for name, form in SCHEMAS.items()
        if form.get("additionalProperties") is False
        for field, schema in form["properties"].items()
        if "default" in schema
    }
    assert found == set()
    assert "process_data_base64" in SCHEMAS["SignRequest"]["properties"]


def test_the_example_of_a_receipt_is_a_signed_one() -> None:
    (example,) = [content["example"] for name, _, content in contents() if name == "get_transaction"]
    verify_qr(example["qr_text"])
    assert [example["signature"], example["public_key"]] == example["qr_text"].split(";")[-2:]


def test_the_example_of_a_manifest_does_not_contradict_itself() -> None:
    (example,) = [
        content["example"]
        for name, media, content in contents()
        if (name, media) == ("get_archive_file", "application/json")
    ][:1]
    assert Manifest.model_validate(example).file == "0001-000002.tar"


def test_the_names_of_the_schemas_are_those_that_clients_know() -> None:
    assert set(SCHEMAS) == NAMES


def test_schemas_and_fields_are_described_for_readers_of_the_document() -> None:
    described = {name: form["description"] for name, form in SCHEMAS.items() if "enum" not in form}
    assert len(set(described.values())) == len(described), "a model has the description of its base"
    for name, form in SCHEMAS.items():
        fields = form.get("properties", {})
        for field, schema in fields.items():
            if schema.get("$ref", schema.get("items", schema)) is schema and "const" not in schema:
                assert "description" in schema, f"{name}.{field}"


def test_no_text_of_the_document_is_a_docstring() -> None:
    endpoints = routes.ENDPOINTS
    models = {model for endpoint in endpoints for model in (endpoint.body, endpoint.response)}
    docstrings = {(thing.__doc__ or "").strip() for thing in (*models, *(endpoint.handler for endpoint in endpoints))}
    texts = set(re.findall(r'"(?:description|summary)": "(.*?)"', json.dumps(DOCUMENT)))
    assert docstrings & texts <= {""}


def test_the_page_of_errors_is_the_one_that_the_code_writes() -> None:
    assert error_list.PAGE.read_text() == error_list.page(), "run python -m gateway.server.api.error_list"
    codes = [line.split("`")[1] for line in error_list.page().splitlines() if line.startswith("| `")]
    assert {"outcome_unknown", "lock_refused", "last_try", "not_found", "pin_blocked"} <= set(codes)
    assert len(codes) == len(set(codes))
