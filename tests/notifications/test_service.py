"""Each problem is told once and its end once, whatever fails or is killed in between."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.notifications import kept_messages
from gateway.notifications.channels import Channel, Mail, Webhook
from gateway.notifications.kept_messages import FILE, KeptMessages
from gateway.notifications.service import GONE_FOR, Notifications, NotificationsOff
from gateway.tasks import Backoff, beside
from gateway.telemetry.log import shared_with
from gateway.telemetry.metrics import Metrics
from tests.notifications.receivers import MailServer, mail_server, webhook
from tests.notifications.test_channels import FULL, SECRET, WRITER, mail_to

WARNED = replace(FULL, serious=False, fact="Der Speicher ist zu 81 % belegt.")
OTHER = replace(FULL, code="clients_many", fact="Nur noch 2 Kassen.")
DAY = 86_400.0


class Gateway:
    """Notifications whose clocks are set by hand; its process may end at any moment, and another one goes on."""

    def __init__(self, directory: Path, *channels: Channel) -> None:
        self.now = 1_764_000_000.0
        self.metrics = Metrics()
        self.names = [channel.name for channel in channels]
        self.told = asyncio.Event()
        self.kept = KeptMessages(directory / FILE, self.names)
        self.notifications = Notifications(
            *(channels, self.kept, WRITER, self.metrics),
            now=lambda: self.now,
            steady=lambda: self.now,
            backoff=lambda: Backoff(0.01, 0.02),
        )

    async def observe(self, *problems: object, after: float = 0.0) -> None:
        self.now += after
        await self.notifications.observe(problems, lambda _: False)  # type: ignore[arg-type]

    def counted(self, channel: str, result: str) -> float:
        labels = {"channel": channel, "result": result}
        return self.metrics.registry.get_sample_value("tse_gateway_notifications_total", labels) or 0.0

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds, which can change with each line of the log only."""
        async with asyncio.timeout(30):
            while not holds():
                self.told.clear()
                await self.told.wait()

    async def until_sent(self) -> None:
        """Wait until no channel has anything to send."""
        await self.until(lambda: not any(map(self.kept.waiting, self.names)))


class _Told(logging.Handler):
    def __init__(self, told: asyncio.Event) -> None:
        super().__init__()
        self._told = told

    def emit(self, _: logging.LogRecord) -> None:
        self._told.set()


@asynccontextmanager
async def running(directory: Path, *channels: Channel) -> AsyncIterator[Gateway]:
    gateway = Gateway(directory, *channels)
    await gateway.notifications.load()
    with shared_with(_Told(gateway.told)):
        async with beside(notifications=gateway.notifications.run()):
            yield gateway


@pytest.fixture(autouse=True)
def _all_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gateway")


def subjects(server: MailServer) -> Sequence[str]:
    return [mail["Subject"].removeprefix("[Köln] ").removesuffix(" (TSE 43B61A2B)") for mail in server.mails]


async def test_a_problem_is_told_once_by_each_channel_and_so_is_its_end(tmp_path: Path) -> None:
    async with mail_server() as server, webhook() as hook:
        async with running(tmp_path, mail_to(server.port), Webhook(hook.url, SECRET)) as gateway:
            for _ in range(5):
                await gateway.observe(FULL, after=60)
            await gateway.observe(after=60)
            await gateway.observe(after=GONE_FOR)
            for _ in range(3):
                await gateway.observe(after=60)
            await gateway.until(lambda: [gateway.counted(name, "sent") for name in gateway.names] == [2, 2])
        told = "Der Speicher ist zu 85 % belegt"
        assert subjects(server) == [told, f"Behoben: {told}"]
        first, second = (json.loads(body) for _, body in hook.calls)
    assert (first["type"], second["type"]) == ("tse_gateway.problem", "tse_gateway.resolved")
    assert first["data"]["problem_id"] == second["data"]["problem_id"] == hook.calls[0][0]["webhook-id"]


async def test_what_passes_soon_is_not_told_and_what_comes_and_goes_is_told_once(tmp_path: Path) -> None:
    async with mail_server() as server, running(tmp_path, mail_to(server.port)) as gateway:
        patient = replace(FULL, patience=120.0)
        await gateway.observe(patient)
        await gateway.observe(patient, after=119)
        await gateway.observe(after=1)
        await gateway.observe(patient, after=1)  # counts from its new beginning
        await gateway.observe(patient, after=119)
        assert gateway.kept.told() == {}
        await gateway.observe(patient, after=1)
        for _ in range(4):
            await gateway.observe(after=GONE_FOR - 1)
            await gateway.observe(patient, after=1)
        await gateway.until_sent()
    assert len(server.mails) == 1


async def test_what_becomes_serious_is_told_again_and_not_when_it_is_less_so(tmp_path: Path) -> None:
    async with mail_server() as server, running(tmp_path, mail_to(server.port)) as gateway:
        await gateway.observe(WARNED)
        await gateway.observe(FULL, after=60)
        await gateway.observe(WARNED, after=60)
        await gateway.observe(FULL, after=60)
        await gateway.until_sent()
    warned, serious = server.mails
    assert (warned["Importance"], serious["Importance"]) == (None, "high")
    assert serious["In-Reply-To"] == warned["Message-ID"]


async def test_what_cannot_be_judged_is_not_told_to_be_over(tmp_path: Path) -> None:
    async with mail_server() as server, running(tmp_path, mail_to(server.port)) as gateway:
        await gateway.observe(FULL, OTHER)
        for _ in range(2):
            gateway.now += GONE_FOR
            await gateway.notifications.observe([], lambda key: key == FULL.key)
        await gateway.until_sent()
    assert subjects(server)[2:] == ["Behoben: Nur noch 2 Kassen"]


async def test_the_next_process_sends_what_waits_and_tells_nothing_twice(tmp_path: Path) -> None:
    async with mail_server() as server:
        server.refusal = "451 later"
        async with running(tmp_path, mail_to(server.port)) as killed:
            await killed.observe(FULL)
            async with asyncio.timeout(30):
                await server.tried.wait()
        server.refusal = ""
        async with running(tmp_path, mail_to(server.port)) as second:
            await second.observe(FULL, OTHER)
            await second.until_sent()
        async with running(tmp_path, mail_to(server.port)) as third:
            await third.observe(FULL)
            await third.observe(FULL, after=GONE_FOR)
            await third.until_sent()
    assert subjects(server) == ["Der Speicher ist zu 85 % belegt", "Nur noch 2 Kassen", "Behoben: Nur noch 2 Kassen"]


async def test_a_mail_server_that_fails_is_asked_again_and_delays_no_webhook(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with mail_server() as server, webhook() as hook:
        server.refusal = "451 later"
        async with running(tmp_path, mail_to(server.port), Webhook(hook.url, SECRET)) as gateway:
            await gateway.observe(FULL)
            async with asyncio.timeout(30):
                await hook.until(1)
            await gateway.until(lambda: gateway.counted("mail", "failed") >= 3)
            server.refusal = ""
            async with asyncio.timeout(30):
                await server.until(1)
            await gateway.until_sent()
    assert len(server.mails) == len(hook.calls) == 1
    failed = [record for record in caplog.records if getattr(record, "event", "") == "notification_failed"]
    assert [record.levelname for record in failed][:3] == ["WARNING", "DEBUG", "DEBUG"]
    assert "later" in failed[0].getMessage()


async def test_too_many_or_too_old_ones_are_given_up_and_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_messages, "_MOST_WAITING", 3)
    lost = Mail("127.0.0.1", 1, "tse@shop.example", ("chef@shop.example",))
    async with running(tmp_path, lost) as gateway:
        for number in range(5):
            await gateway.observe(*(replace(FULL, code=f"code_{one}") for one in range(number + 1)))
        await gateway.until(lambda: gateway.counted("mail", "given_up") == 2)
        assert [message.code for message in gateway.kept.waiting("mail")] == ["code_2", "code_3", "code_4"]
        gateway.now += 3 * DAY + 1
        await gateway.until(lambda: gateway.counted("mail", "given_up") == 5)
    assert "a notification was given up by mail" in caplog.text


async def test_the_file_stays_small_and_a_new_channel_hears_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_messages, "_MOST_LINES", 20)
    async with mail_server() as server, webhook() as hook:
        async with running(tmp_path, mail_to(server.port)) as gateway:
            for _ in range(6):
                await gateway.observe(FULL, OTHER)
                await gateway.observe(OTHER, after=1)
                await gateway.observe(OTHER, after=GONE_FOR)
            await gateway.until_sent()
        assert len((tmp_path / FILE).read_text().splitlines()) <= 21
        async with running(tmp_path, mail_to(server.port), Webhook(hook.url, SECRET)) as gateway:
            await gateway.observe(OTHER)
            await gateway.until_sent()
    assert len(server.mails) == 13
    assert [json.loads(body)["data"]["code"] for _, body in hook.calls] == ["clients_many"]


async def test_a_disk_that_cannot_be_written_stops_no_mail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with mail_server() as server, running(tmp_path / "gone", mail_to(server.port)) as gateway:
        await gateway.observe(FULL)
        await gateway.observe(FULL)
        await gateway.until_sent()
    assert len(server.mails) == 1
    assert "cannot be kept" in caplog.text


async def test_a_damaged_line_is_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with mail_server() as server:
        async with running(tmp_path, mail_to(server.port)) as gateway:
            await gateway.observe(FULL, OTHER)
            await gateway.until_sent()
        lines = (tmp_path / FILE).read_text().replace("clients_many", "clients_some")
        (tmp_path / FILE).write_text(lines)
        async with running(tmp_path, mail_to(server.port)) as gateway:
            await gateway.observe(FULL)
            await gateway.until_sent()
            assert set(gateway.kept.told()) == {FULL.key}
    assert len(server.mails) == 2
    assert "is damaged" in caplog.text


async def test_a_test_message_goes_by_each_channel_at_once_and_tells_what_failed(tmp_path: Path) -> None:
    async with mail_server() as server, webhook() as hook:
        hook.status = 500
        gateway = Gateway(tmp_path, mail_to(server.port), Webhook(hook.url, SECRET))
        mail, hooked = await gateway.notifications.test()
    assert (mail.channel, mail.error, hooked.channel) == ("mail", None, "webhook")
    assert hooked.error is not None
    assert hooked.error.in_language("de") == "der Webhook antwortete mit Status 500"
    assert subjects(server) == ["Testnachricht"]
    with pytest.raises(NotificationsOff, match="GATEWAY_NOTIFY_MAIL_TO"):
        await Gateway(tmp_path).notifications.test()
