"""The image at work: `tests/deploy/run-image` builds it and calls this.

Starts it as compose/site.yaml would (with a simulated TSE instead of a stick), looks at it from inside, sells, stops
it with a till in the middle of a transaction, starts it again. Ends with status 1 at the first thing that is wrong.
"""

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from gateway.tse.commands import (
    CloseImport,
    ImportOpened,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.info import TseInfo
from tests.deploy.compose_files import hardening, mounts, service
from tests.lan_client import LanClient, LanError
from tests.support import CLIENT, TIME_ADMIN_PIN, export, set_up

NAME = "tse-gateway-test"
MOST = 100_000_000  # bytes on top of the base; a third of them for targets of the archive
_SERVES = re.compile(r"serves on port \d+")
_LOOK = """
import ctypes, json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
def writable(place):
    try:
        open(place + "/x", "w").close(); os.remove(place + "/x"); return True
    except OSError:
        return False
dev = [line.split()[5] for line in open("/proc/self/mountinfo") if line.split()[4] == "/dev"][-1]
clock = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
print(json.dumps({
    "Uid": status["Uid"].split(), "Gid": status["Gid"].split(),
    "CapEff": status["CapEff"], "CapBnd": status["CapBnd"], "NoNewPrivs": status["NoNewPrivs"],
    "Seccomp": status["Seccomp"], "writable": [p for p in ("/", "/etc", "/tmp", "/var/lib/tse-gateway") if writable(p)],
    "nodev": "nodev" in dev, "clock readable": clock >= 0,
}))
"""

_UNTIL_IT_SERVES = """
import socket, time
for _ in range(200):
    try:
        socket.create_connection(("127.0.0.1", 4433)).close(); break
    except OSError:
        time.sleep(0.1)
"""


async def main() -> None:
    """All of it, in order."""
    asked = argparse.ArgumentParser()
    asked.add_argument("image")
    asked.add_argument("base")
    asked.add_argument("--receipts", type=int, default=200, help="sold over the LAN protocol (default 200)")
    asked.add_argument("--more", type=int, default=0, help="sold by REST after them, to see whether memory grows")
    given = asked.parse_args()
    port = _free_port()
    with container(given.image, port):
        began = time.monotonic()
        podman("start", NAME)
        await serving(1)
        told("start to serving", f"{time.monotonic() - began:.2f} s")
        podman("healthcheck", "run", NAME)
        check_from_inside()
        token = podman("exec", NAME, "cat", "api_token").strip()
        told("memory at rest", memory())
        till = LanClient(port, token)
        signed = await sell(till, given.receipts)
        told(f"memory after {given.receipts} receipts", memory())
        if given.more:
            signed = await sell_more(till, given.more)
            told(f"memory after {given.more} more", memory())
        number = await stop_in_the_middle(till)
        podman("start", NAME)
        await serving(2)
        assert podman("exec", NAME, "cat", "api_token").strip() == token, "the token was lost"
        await carry_on(LanClient(port, token), number, signed)
        lose_and_restore(given.image)
        podman("start", NAME)
        await serving(3)
        assert podman("exec", NAME, "cat", "api_token").strip() == token, "the backup has another token"
        told("backup", "all of the state lost and restored, with its owners and modes")
    check_that_nobody_becomes_root(given.image)
    tell_sizes(given.image, given.base)


@contextmanager
def container(image: str, port: int) -> Iterator[None]:
    """Made like the service of site.yaml, and away again with its state."""
    site = service("site.yaml")
    podman("rm", "-f", "-i", "-v", NAME)
    Path("/run/udev").mkdir(exist_ok=True)
    binds = [bind for bind in mounts(site) if ":/run/secrets:" not in bind]
    environment = {
        "GATEWAY_SIMULATORS": "1",
        "GATEWAY_SIMULATOR_FRESH": "true",
        "GATEWAY_PORT": str(port),
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_ADDRESS": "127.0.0.1",
        "GATEWAY_NTP_SERVERS": "none",
    }
    settings = [f"--env={name}={value}" for name, value in environment.items()]
    podman(
        *("create", "--name", NAME, "--network", site["network_mode"], "--volume", f"{NAME}:/var/lib/tse-gateway"),
        "--health-cmd=tse-gateway healthcheck",  # as the quadlet; Podman reads the image's in Docker's format only
        *hardening(site),
        *binds,
        *settings,
        image,
    )
    try:
        yield
    except BaseException:
        print(podman("logs", NAME), file=sys.stderr)
        raise
    finally:
        podman("rm", "-f", NAME)
        podman("volume", "rm", "-f", NAME)


async def serving(times: int) -> None:
    """Wait until the log tells so for the n-th time."""
    logs = await asyncio.create_subprocess_exec(
        *("podman", "logs", "-f", NAME), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert logs.stderr is not None
    try:
        async with asyncio.timeout(60):
            while times:
                line = await logs.stderr.readline()
                assert line, "the gateway ended"
                times -= bool(_SERVES.search(line.decode()))
    finally:
        logs.kill()
        await logs.wait()


def check_from_inside() -> None:
    seen = json.loads(podman("exec", NAME, "python", "-c", _LOOK))
    expected = {
        "Uid": ["10001"] * 4,
        "Gid": ["10001"] * 4,
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "writable": ["/var/lib/tse-gateway"],
        "nodev": False,
        "clock readable": True,
    }
    assert seen == expected, f"from inside: {seen}"
    told("from inside", "uid 10001, no capability, no new privileges, seccomp filter, only the state is writable")


async def sell(till: LanClient, receipts: int) -> int:
    """Set the TSE up and sell; the signature counter at the end."""
    await till.select()
    async with till.locked():
        await set_up(till.send_command, bytes.fromhex(till.serial), now=int(time.time()))
    counter, began = 0, time.monotonic()
    for _ in range(receipts):
        async with till.locked():
            started = await till.sign(TransactionStep.START, CLIENT, 0, b"", b"")
            ended = await till.sign(
                TransactionStep.FINISH, CLIENT, started.transaction_number, b"Beleg^1.00", b"Kassenbeleg-V1"
            )
        assert ended.signature_counter > counter
        counter = ended.signature_counter
    told(f"{receipts} receipts", f"{(time.monotonic() - began) / receipts * 1000:.1f} ms each")
    return counter


async def sell_more(till: LanClient, receipts: int) -> int:
    """By REST, a request each, with a key as it should be; the signature counter at the end."""
    url = f"https://127.0.0.1:{till.port}/api/v1/tses/{till.serial}/sign"
    wish = {"client_id": CLIENT.decode(), "process_type": "Kassenbeleg-V1", "process_data": "Beleg^1.00"}
    headers = {"Authorization": aiohttp.encode_basic_auth("lantse", till.token)}
    counter, began = 0, time.monotonic()
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=till.tls)) as session:
        for number in range(receipts):
            async with session.post(url, json=wish, headers={"Idempotency-Key": f"more-{number}"}) as answer:
                assert answer.status == 200, await answer.text()
                counter = (await answer.json())["signature_counter"]
    told(f"{receipts} receipts by REST", f"{(time.monotonic() - began) / receipts * 1000:.1f} ms each")
    return counter


async def stop_in_the_middle(till: LanClient) -> int:
    """SIGTERM while a till signs the start of a transaction: it comes to the end of that; the number.

    The one error that it notices is that of its next lock.
    """
    await till.select()
    async with till.locked():
        opened = await till.send_command(OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode())
        assert ImportOpened.decode(opened)
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(podman, "stop", "-t", "30", NAME))
        while json.loads(await ready(till))["reason"] != "the gateway stops":
            await till.read_info()
        started = TransactionReply.decode(await till.send_command(CloseImport().encode()))
    try:
        async with till.locked():
            raise AssertionError("a gateway that stops lent its TSE")
    except LanError as noticed:
        told("the till in the middle", f"finished its step, then noticed error {noticed.number}")
    await stopping
    told("SIGTERM with a till in the middle", f"ended after {time.monotonic() - began:.2f} s")
    status = podman("inspect", "-f", "{{.State.ExitCode}}", NAME).strip()
    assert status == "0", f"ended with status {status}"
    await till.close()
    return started.transaction_number


async def ready(till: LanClient) -> str:
    """The answer of /readyz, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port, ssl=till.tls)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2].decode()


async def carry_on(till: LanClient, number: int, before: int) -> None:
    """What a POS does after a power cycle; then it finishes what it had begun."""
    await till.select()
    async with till.locked():
        await till.send_command(SelfTest(CLIENT).encode())
        await till.send_command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
        await till.send_command(SetTime(int(time.time())).encode())
        finished = await till.sign(TransactionStep.FINISH, CLIENT, number, b"Beleg^1.00", b"Kassenbeleg-V1")
        info = TseInfo.decode(await till.read_info())
        store = await export(till)
    assert finished.signature_counter > before + 1
    assert info.open_transactions == 0
    assert f"No-{number}_Finish".encode() in store
    await till.close()
    told("after the restart", "same token, same TSE; the open transaction was finished and is in the store")


def lose_and_restore(image: str) -> None:
    """As compose/README.md says; the container is stopped."""
    volume = ("run", "--rm", "-i", "--user", "0", "--entrypoint", "tar", "-v", f"{NAME}:/state", image, "-C", "/state")
    every = ("run", "--rm", "--user", "0", "--entrypoint", "find", "-v", f"{NAME}:/state", image, "/state", "-printf")
    podman("stop", "-t", "30", NAME)
    before = podman(*every, "%P %m %U %G %s\\n")
    backup = subprocess.run(["podman", *volume, "-cz", "."], capture_output=True, check=True).stdout
    podman(
        "run",
        "--rm",
        "--user",
        "0",
        "--entrypoint",
        "find",
        "-v",
        f"{NAME}:/state",
        image,
        "/state",
        "-mindepth",
        "1",
        "-delete",
    )
    assert podman(*every, "%P %m").startswith(" 700")
    subprocess.run(["podman", *volume, "-xzp"], input=backup, check=True)
    assert sorted(podman(*every, "%P %m %U %G %s\\n").splitlines()) == sorted(before.splitlines())


def check_that_nobody_becomes_root(image: str) -> None:
    """As a pod of the chart's mode disk: privileged, and without the engine's no-new-privileges."""
    find = ("--user", "0", "--entrypoint", "find", image, "/", "-xdev", "-type", "f", "-perm", "/6000")
    assert podman("run", "--rm", *find) == "", "a setuid or setgid file in the image"
    podman("run", "-d", "--privileged", "--name", NAME, "--env=GATEWAY_SIMULATORS=1", image)
    try:
        podman("exec", NAME, "python", "-c", _UNTIL_IT_SERVES)
        status = podman("exec", NAME, "cat", "/proc/1/status")
        became = subprocess.run(["podman", "exec", NAME, "su", "-c", "id -u"], capture_output=True, check=False)
    finally:
        podman("rm", "-f", "-v", "-t", "0", NAME)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE), status
    assert re.search(r"^CapEff:\s+0{16}$", status, re.MULTILINE), status
    assert became.returncode, "user 10001 became another one by su"
    told("in a privileged container", "uid 10001, no capability, no setuid file, no new privileges")


def memory() -> str:
    text = podman("exec", NAME, "cat", "/proc/1/status")
    found = {
        key: int(value.split()[0]) // 1024 for key, value in re.findall(r"^(VmRSS|VmHWM):\s+(.+)$", text, re.MULTILINE)
    }
    return f"{found['VmRSS']} MiB (most: {found['VmHWM']} MiB)"


def tell_sizes(image: str, base: str) -> None:
    """Of the image, of its base, and of each layer on it."""
    sizes = {name: int(podman("image", "inspect", "-f", "{{.Size}}", name)) for name in (image, base)}
    told("image, on top of its base", f"{sizes[image] / 1e6:.0f} MB, {(sizes[image] - sizes[base]) / 1e6:.0f} MB")
    layers = podman("history", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", image).splitlines()
    for size, _, made_by in (line.partition("\t") for line in layers):
        if not size.startswith("0 "):
            told("  layer", f"{size}: {made_by.replace('/bin/sh -c #(nop) ', '')[:60]}")
    assert sizes[image] - sizes[base] < MOST, f"the image is {sizes[image] - sizes[base]} bytes larger than its base"


def podman(*arguments: str) -> str:
    """Its output; an error shows what it said."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout if arguments[0] != "logs" else done.stdout + done.stderr


def told(what: str, value: str) -> None:
    print(f"{what:40} {value}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(main())
