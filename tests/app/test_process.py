"""The gateway as a process: start, serve, stop; and what it must never tell."""

import asyncio
import base64
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.tse.commands import TransactionStep
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from tests.lan_client import LanClient, LanError
from tests.needs import CURL, TERMINAL
from tests.process import gateway
from tests.support import ADMIN_PIN, CLIENT, PUK, TIME_ADMIN_PIN, set_up


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_in_order(tmp_path: Path, number: int) -> None:
    async with gateway(tmp_path, "--simulator", "1") as running:
        await running.until_it_serves()
        await (await running.client()).close()
        assert await running.stop(number) == 0
    assert "Traceback" not in running.log
    assert "unplugged" not in running.log


async def test_no_program_that_it_starts_can_gain_privileges(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1") as running:
        await running.until_it_serves()
        status = await asyncio.to_thread(Path(f"/proc/{running.process.pid}/status").read_text)
        await running.stop()
    assert "NoNewPrivs:\t1\n" in status


async def test_a_thread_that_computes_keeps_the_others_waiting_for_half_a_millisecond(tmp_path: Path) -> None:
    told = tmp_path / "interval"
    program = f"""
import atexit, pathlib, sys
from gateway.cli import main
atexit.register(lambda: pathlib.Path({str(told)!r}).write_text(str(sys.getswitchinterval())))
main()
"""
    async with gateway(tmp_path / "state", "--simulator", "1", program=("-c", program)) as running:
        await running.until_it_serves()
        await running.stop()
    assert float(told.read_text()) == pytest.approx(0.0005)


async def test_session_txt_tells_the_three_values(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "2", GATEWAY_TOKEN_DIGITS="6") as running:
        await running.until_it_serves()
        client = await running.client()
        text = (tmp_path / "session.txt").read_bytes().decode()
        await client.close()
        await running.stop()
    assert re.fullmatch(r"\d{6}", running.token)
    assert text.count("\r\n") == text.count("\n") == 12
    assert f"REST API        (https://127.0.0.1:{running.port})\r\n" in text
    assert f"apiToken:       {running.token}\r\n" in text
    assert f"simulator-1:        {client.serial}" in text or f"simulator-2:        {client.serial}" in text
    assert "Currently 2 TSE detected with max. 100 POS Clients supported" in text
    assert (tmp_path / "session.txt").stat().st_mode & 0o777 == 0o600


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1") as running:
        await running.until_it_serves()
        client = await running.client()
        async with client.locked():
            await set_up(client.send_command, bytes.fromhex(client.serial))
            signed = await client.sign(TransactionStep.START, CLIENT, 0, b"", b"")
        await client.close()
        first_token = running.token
        await running.stop()
    async with gateway(tmp_path, "--simulator", "1") as again:
        await again.until_it_serves()
        assert again.token == first_token
        later = await again.client()
        assert later.serial == client.serial
        async with later.locked():
            with pytest.raises(LanError) as due:
                await later.sign(TransactionStep.FINISH, CLIENT, signed.transaction_number, b"", b"X")
        assert due.value.number == 0x1054  # a restart of the simulator is a power cycle
        await later.close()


async def test_a_kill_with_a_till_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1") as running:
        await running.until_it_serves()
        client = await running.client()
        async with client.locked():
            await set_up(client.send_command, bytes.fromhex(client.serial))
        counters = []
        for _ in range(5):
            async with client.locked():
                counters.append((await client.sign(TransactionStep.START, CLIENT, 0, b"", b"")).signature_counter)
        await running.stop(signal.SIGKILL)
        await client.close()
    async with gateway(tmp_path, "--simulator", "1") as again:
        await again.until_it_serves()
        later = await again.client()
        async with later.locked():
            info = await later.read_info()
        assert int.from_bytes(info[0x30:0x34], "big") == counters[-1]
        await later.close()


async def test_without_a_tse_it_runs_and_says_so(tmp_path: Path) -> None:
    async with gateway(tmp_path, GATEWAY_DEVICES=str(tmp_path / "none")) as running:  # whatever this machine has
        await running.until_it_serves()
        client = LanClient(running.port, running.token)
        assert await client.request("GET", "/lantse/api/v1/tses") == []
        with pytest.raises(LanError) as unknown:
            await client.request("GET", "/lantse/api/v1/tse//lock")
        assert unknown.value.number == 24
        await client.close()
        await running.stop()
    assert "no TSE found" in running.log
    assert "simulator" not in running.log


async def test_two_gateways_do_not_share_a_simulated_tse(tmp_path: Path) -> None:
    async with gateway(tmp_path, "--simulator", "1") as first:
        await first.until_it_serves()
        async with gateway(tmp_path, "--simulator", "1") as second:
            assert await second.ended() == 1
        await first.stop()
    assert "in use" in second.log
    assert "Traceback" not in second.log


async def test_bad_settings_are_told_without_a_traceback(tmp_path: Path) -> None:
    async with gateway(tmp_path, GATEWAY_PROT="4433") as running:
        assert await running.ended() == 1
    assert "GATEWAY_PORT" in running.log
    assert "Traceback" not in running.log


async def test_no_secret_ever_reaches_the_log(tmp_path: Path) -> None:
    sessions = []
    async with gateway(tmp_path, "--simulator", "1", GATEWAY_LOG_LEVEL="TRACE") as running:
        await running.until_it_serves()
        client = await running.client()
        serial = bytes.fromhex(client.serial)
        async with client.locked():
            sessions.append(client.session)
            await set_up(client.send_command, serial)
            with pytest.raises(LanError):
                await client.send_command(b"\x20\0\1\x05" + b"00000")
        async with client.locked():
            sessions.append(client.session)
            await client.sign(TransactionStep.START, CLIENT, 0, b"", b"")
        client.session ^= 1
        with pytest.raises(LanError):
            await client.read_info()
        await client.close()
        wrong = LanClient(running.port, "wrong-" + running.token)
        with pytest.raises(LanError):
            await wrong.select()
        await wrong.close()
        await running.stop()
    initial = initial_credentials(RETAIL_SEED, serial)
    secrets = [initial.admin_puk, initial.admin_pin, initial.time_admin_pin, PUK, ADMIN_PIN, TIME_ADMIN_PIN]
    hidden = [secret.decode() for secret in secrets] + [running.token, *(str(number) for number in sessions)]
    hidden += [base64.b64encode(secret).decode().rstrip("=")[:-1] for secret in secrets]
    log = re.sub(r'"(timestamp|request_id|serial)": "[^"]*"', "", running.log.replace(client.serial, ""))
    log = log.replace(client.serial.lower(), "")
    assert [secret for secret in hidden if re.search(rf"(?<!\d){re.escape(secret)}(?!\d)", log)] == []
    assert "sendCommand" in log or "request" in log


def _run_until_ready(line: str) -> dict[str, Any]:
    """The receipt that the line of the banner signs, as soon as the maintenance has made the TSE ready."""
    retry = line.replace("curl", "curl -sS --fail-with-body --retry 20 --retry-all-errors --retry-delay 1", 1)
    answer = subprocess.run(retry, shell=True, capture_output=True, check=True)
    receipt: dict[str, Any] = json.loads(answer.stdout)
    return receipt


@CURL
@TERMINAL
async def test_quit_on_the_terminal_stops_it(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--simulator", "1", "--port", "0", "--bind", "127.0.0.1"),
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**plain, "GATEWAY_STATE_DIR": str(tmp_path), "TERM": "dumb"},
    )
    os.close(inside)
    seen = b""
    async with asyncio.timeout(30):
        while b"quit to stop" not in seen:
            seen += await asyncio.to_thread(os.read, terminal, 4096)
        token = (tmp_path / "api_token").read_text().strip()
        assert token.encode() in seen  # on a terminal the administrator sees the three values
        line = re.search(r"curl .*/sign", seen.decode())
        assert line is not None
        receipt = await asyncio.to_thread(_run_until_ready, line[0])
        assert (receipt["client_id"], receipt["certified"]) == ("POS-1", False)
        os.write(terminal, b"help\nquit\n")
        assert await process.wait() == 0
    os.close(terminal)
