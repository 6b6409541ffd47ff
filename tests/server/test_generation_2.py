"""A TSE of generation 2 behind the whole gateway: administration, filtered exports, and tills with older software."""

import base64
import io
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.tse import commands as c
from gateway.tse import lists
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.results import Result
from gateway.verify.receipt import ReceiptCode
from tests.server.api.client import RECEIPT, SETUP, Api, api_of
from tests.server.shop import Served, Till, serve, settings_for, till_of
from tests.support import ADMIN_PIN, CLIENT, PUK, TIME_ADMIN_PIN, export, receipt

TWO = Generation.TWO
PIN = {"admin_pin": "12345"}


class Refused(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"0x{number:04X}")
        self.number = number


class OldTill:
    """A till that sends commands of generation 1, whatever the TSE is; within one lock."""

    def __init__(self, till: Till, served: Served, session: int) -> None:
        self._till, self._served, self._session = till, served, session

    async def send(self, command: bytes) -> bytes:
        answer = await self._till.command(self._session, command)
        if answer.status != 200:
            raise Refused(answer.json["error"])
        return base64.b64decode(answer.json["data"])

    async def do(self, command: Command) -> bytes:
        return await self.send(command.encode())

    async def result(self, command: Command) -> int:
        try:
            await self.do(command)
        except Refused as refused:
            return refused.number
        return 0

    async def read_info(self) -> bytes:
        answer = await self._till.ask(self._served.path(self._session, "readInfo"))
        return base64.b64decode(answer.json["data"])

    async def read_store(self, block: int, count: int) -> bytes:
        query = f"?offset={block}&numblocks={count}"
        answer = await self._till.ask(self._served.path(self._session, "readWormStore", query))
        return base64.b64decode(answer.json["data"])

    async def write_store(self, block: int, data: bytes) -> None:
        body = {"data": base64.b64encode(data).decode()}
        path = self._served.path(self._session, "writeWormStore", f"?offset={block}")
        assert (await self._till.ask(path, "POST", json=body)).status == 200

    async def filtered(self, from_number: int, to_number: int, client: bytes = b"") -> bytes:
        await self.do(c.StartExport(0, c.FILTER_OPEN_END, from_number, to_number, client))
        found = b""
        while part := c.Part.decode(await self.do(c.NextExportPart())).data:
            found += part
        return found


@asynccontextmanager
async def shop(tmp_path: Path, **settings: object) -> AsyncIterator[Api]:
    """A gateway with one TSE of generation 2, set up by the API."""
    given = settings_for(tmp_path, simulator_generation=2, **settings)
    async with serve(given) as served, api_of(served) as api:
        token = (await api.post("/confirmations", {"action": "setup"})).json["token"]
        answer = await api.post("/setup", SETUP | {"client_ids": ["POS-1", "POS-2"], "confirmation": token})
        assert answer.status == 200, answer.json
        yield api


@asynccontextmanager
async def old_till(api: Api) -> AsyncIterator[OldTill]:
    async with till_of(api.served) as till:
        yield OldTill(till, api.served, await till.lock())


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with shop(tmp_path) as made:
        yield made


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[OldTill]:
    async with shop(tmp_path, old_tills="all") as api, old_till(api) as made:
        yield made


async def test_it_is_set_up_and_administered_by_the_api(api: Api) -> None:
    told = (await api.get()).json
    assert (told["lifecycle"], told["credentials_changed"], told["registered_clients"]) == ("initialized", True, 2)
    assert (await api.post("/clients/list", PIN)).json == {"client_ids": ["POS-1", "POS-2"]}
    assert (await api.post("/clients/register", {**PIN, "client_id": "POS-3"})).status == 200
    assert (await api.post("/clients/deregister", {**PIN, "client_id": "POS-2"})).status == 200
    assert (await api.post("/self-test", {"client_id": "POS-1"})).status == 200
    assert (await api.post("/time", {"pin": TIME_ADMIN_PIN.decode(), "trust_system_clock": True})).status == 200
    change = {"user": "logger", "old_pin": "00000", "new_pin": "11111"}
    assert (await api.post("/pin", change)).status == 200
    for body in ({"new_puk": "654321", "old_puk": PUK.decode()}, {"new_puk": PUK.decode(), "old_puk": "654321"}):
        assert (await api.post("/puk", body)).status == 200
    unblock = {"user": "logger", "puk": PUK.decode(), "new_pin": "00000"}
    assert (await api.post("/unblock", unblock)).status == 200
    assert TseInfo.decode(api.served.tse.read_info()).logged_in_user == c.User.NONE


async def test_a_wrong_puk_makes_the_api_wait_and_says_for_how_long(api: Api) -> None:
    body = {"user": "admin", "puk": "000000", "new_pin": "12345"}
    refused = await api.post("/unblock", body)
    assert (refused.status, refused.json["code"]) == (403, "authentication_failed")
    paused = await api.post("/unblock", {**body, "puk": PUK.decode()})
    assert (paused.status, paused.json["code"]) == (409, "puk_paused")
    assert "in 1 s" in paused.json["detail"]
    assert (await api.get()).json["pin_tries_left"] == {}
    api.served.tse._core.monotonic = lambda: time.monotonic() + 2
    again = await api.post("/unblock", body)
    assert (again.status, again.json["code"]) == (403, "known_wrong")
    assert (await api.post("/unblock", {**body, "puk": PUK.decode()})).status == 200


async def test_a_self_test_that_fails_and_one_that_would_end_a_till_are_refused(api: Api) -> None:
    faults = api.served.tse.faults
    faults.set("failed_self_test", 1)
    failed = await api.post("/self-test", {"client_id": "POS-1"})
    assert (failed.status, failed.json["device_result"]) == (409, Result.SELF_TEST_CSP)
    async with till_of(api.served) as till:
        session = await till.lock()
        passed_on = await till.command(session, c.SelfTest().encode(TWO))
        assert passed_on.status == 200
        faults.set("empty_self_test", 1)
        nonsense = await till.command(session, c.SelfTest().encode(TWO))
        assert (nonsense.status, nonsense.json["error"]) == (400, Result.UNKNOWN)
    assert (await api.get()).json["state"] != "failed"


async def test_filtered_exports_of_tills_are_made_from_the_store(api: Api) -> None:
    async with old_till(api) as till:
        for client in (CLIENT, b"POS-2", CLIENT):
            await receipt(till.send, till, client)
        everything = await export(till)
        by_time = await till.filtered(0, c.FILTER_OPEN_END)
        assert by_time == everything
        by_number = io.BytesIO(await till.filtered(2, 2, b"POS-2"))
        names = tarfile.TarFile(fileobj=by_number).getnames()
        assert [name.split("_Log-Tra_")[-1] for name in names[2:]] == [
            "No-2_Start_Client-POS-2.log", "No-2_Finish_Client-POS-2.log"
        ]  # fmt: skip
        assert await till.result(c.StartExport(1, 2, 0, c.FILTER_OPEN_END, b"")) == Result.NO_DATA_AVAILABLE
        assert await till.result(c.NextExportPart()) == Result.NO_EXPORT_IN_PROGRESS
        await till.do(c.StartExport(0, c.FILTER_OPEN_END, 0, c.FILTER_OPEN_END, b""))
        assert await till.result(c.StartExport(0, 1, 0, 1, b"")) == Result.EXPORT_IN_PROGRESS
        await till.do(c.AbortExport())
        assert await till.result(c.AbortExport()) == Result.NO_EXPORT_IN_PROGRESS


async def test_filtered_exports_are_left_to_the_tse_if_the_settings_say_so(tmp_path: Path) -> None:
    async with shop(tmp_path, filter_exports=False) as api, old_till(api) as till:
        assert await till.result(c.StartExport(0, 1, 0, 1, b"")) == Result.UNKNOWN_COMMAND


async def test_an_old_till_lives_its_day_as_with_generation_1(till: OldTill) -> None:
    await till.do(c.SelfTest(CLIENT))
    await till.do(c.Login(c.User.ADMIN, ADMIN_PIN))
    await till.do(c.Login(c.User.TIME_ADMIN, TIME_ADMIN_PIN))
    await till.do(c.SetTime(1_795_921_300))
    assert await till.result(c.Logout(c.User.ADMIN)) == Result.USER_NOT_LOGGED_IN  # one user at a time
    await till.do(c.Logout(c.User.TIME_ADMIN))
    sold = await receipt(till.send, till)
    assert c.TransactionReply.decode(await till.do(c.LastTransaction(CLIENT))) == sold
    await till.do(c.OpenImport(c.TransactionStep.START, CLIENT, 0, 0, b""))
    number = c.TransactionReply.decode(await till.do(c.CloseImport())).transaction_number
    for skip, numbers in ((0, (number,)), (1, ())):
        assert lists.TransactionListReply.decode(await till.do(c.ListTransactions(skip, CLIENT))).numbers == numbers
    await till.do(c.OpenImport(c.TransactionStep.FINISH, CLIENT, number, 0, b""))
    await till.do(c.CloseImport())
    for command in (c.EnableCtss(), c.DisableCtss(), c.ExportIfCspFails(enabled=True)):
        assert await till.do(command) == b""


async def test_an_old_till_reads_the_certificate_and_the_clients(till: OldTill) -> None:
    chain = b""
    while part := c.Part.decode(await till.do(c.ReadCertificate(len(chain)))).data:
        chain += part
    assert chain.count(b"BEGIN CERTIFICATE") == 3
    assert await till.result(c.ReadCertificate(len(chain) + 1)) == Result.INVALID_PARAMETER
    assert await till.result(c.ListClients(0)) == Result.NOT_AUTHORIZED
    await till.do(c.Login(c.User.ADMIN, ADMIN_PIN))
    assert lists.ClientListReply.decode(await till.do(c.ListClients(0))).client_ids == (b"POS-1", b"POS-2")
    assert lists.ClientListReply.decode(await till.do(c.ListClients(1))).client_ids == (b"POS-2",)


async def test_an_old_till_changes_pins_and_the_puk(till: OldTill) -> None:
    assert await till.result(c.Login(c.User.TIME_ADMIN, b"99999")) == 0x1102
    await till.do(c.UnblockPin(c.User.TIME_ADMIN, PUK, b"54321"))
    await till.do(c.Login(c.User.TIME_ADMIN, b"54321"))
    await till.do(c.ChangePin(c.User.TIME_ADMIN, b"54321", TIME_ADMIN_PIN))
    await till.do(c.ChangePuk(c.User.ADMIN, PUK, b"654321"))
    await till.do(c.UnblockPin(c.User.TIME_ADMIN, b"654321", TIME_ADMIN_PIN))
    assert await till.result(c.Login(c.User.LOGGER, b"00000")) == Result.INVALID_PARAMETER
    with pytest.raises(Refused, match="0x1005"):
        await till.send(b"\x20\0\1\x05123")


async def test_an_old_till_deletes_what_it_has_exported_completely(till: OldTill) -> None:
    await receipt(till.send, till)
    await till.do(c.Login(c.User.ADMIN, ADMIN_PIN))
    size = TseInfo.decode(await till.read_info()).export_bytes
    await till.do(c.AcknowledgeExport(size - 512))  # a part, of which generation 2 cannot be told
    assert await till.result(c.DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    assert await till.result(c.AcknowledgeExport(size + 512)) == Result.INVALID_PARAMETER
    await till.do(c.AcknowledgeExport(size))
    await till.do(c.DeleteStoredData())


async def test_without_the_setting_an_old_till_is_refused_and_a_newer_one_never_disturbed(tmp_path: Path) -> None:
    async with shop(tmp_path, old_tills="0000000000") as api, old_till(api) as till:
        assert await till.result(c.SelfTest(CLIENT)) == Result.UNKNOWN_COMMAND
        await till.send(c.Login(c.User.ADMIN, ADMIN_PIN).encode(TWO))
        assert c.Part.decode(await till.send(c.ListClients(0).encode(TWO))).data


async def test_what_is_known_of_it_shows_its_generation_who_is_logged_in_and_the_setting(tmp_path: Path) -> None:
    async with shop(tmp_path, old_tills="all") as api:
        assert (await api.get()).json["old_tills"]
        async with old_till(api) as till:
            await till.do(c.Login(c.User.TIME_ADMIN, TIME_ADMIN_PIN))
            assert await till.result(c.UnblockPin(c.User.ADMIN, b"000000", ADMIN_PIN)) == 0x1103
            await till.read_info()
            told = (await api.get()).json
        assert (told["generation"], told["logged_in_user"], told["puk_blocked_seconds"]) == (
            2,
            "time_admin",
            {"admin": 1},
        )
        assert told["product_certified_until"] is None


async def test_the_qr_code_of_its_receipts_verifies(api: Api) -> None:
    signed = (await api.post("/sign", RECEIPT)).json
    assert ReceiptCode.decode(signed["qr_text"]).verify()
