"""Process 1 of the running virtual machine: does what the test asks for, one JSON object a line each way.

{"id": 1, "run": "command", "timeout": 30}   -> {"id": 1, "status": 0, "output": "..."}
{"id": 2, "start": "command"}                -> {"id": 2, "pid": 123}; its output goes to the console
{"id": 3, "uevents": true}                   -> {"id": 3, "uevents": [[unix time, "add", "sda"], ...]} of disks
"""

import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/agent"
NETLINK_KOBJECT_UEVENT = 15

port = os.open(PORT, os.O_RDWR)
writing = threading.Lock()
uevents: list[tuple[float, str, str]] = []


def tell(message: dict[str, object]) -> None:
    rest = json.dumps(message).encode() + b"\n"
    with writing:
        while rest:
            rest = rest[os.write(port, rest) :]


def run(command: str, timeout: float) -> dict[str, object]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return {"status": 124, "output": output.decode(errors="replace")}
    return {"status": process.returncode, "output": output.decode(errors="replace")}


def start(command: str) -> dict[str, object]:
    process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=process.wait, daemon=True).start()
    return {"pid": process.pid}


def answer(message: dict[str, object]) -> None:
    reply: dict[str, object]
    try:
        if "run" in message:
            reply = run(str(message["run"]), float(str(message["timeout"])))
        elif "start" in message:
            reply = start(str(message["start"]))
        else:
            reply = {"uevents": list(uevents)}
    except Exception as error:  # noqa: BLE001 (process 1 must live on)
        reply = {"error": repr(error)}
    tell({"id": message["id"], **reply})


def watch_disks() -> None:
    """When the kernel itself says that a disk came or went: the zero of all measured times."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
    netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    netlink.bind((0, 1))
    while True:
        fields = dict(
            part.split("=", 1) for part in netlink.recv(65536).decode(errors="replace").split("\0") if "=" in part
        )
        if fields.get("SUBSYSTEM") == "block" and fields.get("DEVTYPE") == "disk":
            uevents.append((time.time(), fields["ACTION"], fields["DEVNAME"]))


def serve() -> None:
    poll = select.poll()
    poll.register(port, select.POLLIN)
    buffered = b""
    while True:
        poll.poll()
        chunk = os.read(port, 65536)
        if not chunk:  # the test has not connected yet
            time.sleep(0.01)
        buffered += chunk
        *lines, buffered = buffered.split(b"\n")
        for line in lines:
            threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


threading.Thread(target=watch_disks, daemon=True).start()
tell({"id": 0, "kernel": os.uname().release})
serve()
