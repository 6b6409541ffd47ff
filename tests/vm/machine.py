"""A virtual machine with a real Linux kernel: started, spoken to, stopped. Its processor is emulated: no KVM needed."""

import contextlib
import itertools
import json
import queue
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.vm.image import image, project_archive

HOST = "10.0.2.2"  # the guest's name for 127.0.0.1 of this machine
_BOOT_SECONDS = 120
_KERNEL_ARGUMENTS = (
    "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable no_timer_check random.trust_cpu=on audit=0"
)

Json = Mapping[str, object]


class MachineError(Exception):
    """The machine, or a command in it, failed."""


class Uevent(NamedTuple):
    """The kernel of the guest said that a disk came or went; Unix seconds of the guest's clock."""

    time: float
    action: str
    disk: str


class _Channel:
    """JSON lines over a socket; each request waits for its own answer."""

    def __init__(self, path: Path, process: "subprocess.Popen[bytes]") -> None:
        self._socket = _connected(path, process)
        self._answers: dict[object, queue.SimpleQueue[Json]] = {}
        self._sending = threading.Lock()
        self.greeting: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, number: int, message: Json, timeout: float) -> Json:
        waiting = self._answers[number] = queue.SimpleQueue()
        with self._sending:
            self._socket.sendall(json.dumps({**message, "id": number}).encode() + b"\n")
        try:
            answer = waiting.get(timeout=timeout)
        except queue.Empty:
            raise MachineError(f"no answer within {timeout:g} s to {message}") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise MachineError(f"{message}: {answer['error']}")
        return answer

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the machine is gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        lines = self._socket.makefile("rb")
        with contextlib.closing(lines), contextlib.suppress(OSError):
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: dict[str, object]) -> None:
        waiting = self._answers.get(message.get("id"))
        if waiting is not None:
            waiting.put(message)
        elif "QMP" in message or "kernel" in message:
            self.greeting.put(message)


class Machine:
    """`with Machine() as vm:` boots; `https` is the port on 127.0.0.1 that leads to the guest's 4433.

    `bundle` is a file that the guest sees as disk /dev/vdc.
    """

    def __init__(self, *, memory: int = 512, bundle: Path | None = None) -> None:
        self._image = image()
        self._memory = memory
        self._bundle = bundle
        self._directory = tempfile.TemporaryDirectory(prefix="tse-vm.")
        self._home = Path(self._directory.name)
        self._numbers = itertools.count(1)
        self.https = _free_port()

    def __enter__(self) -> Self:
        began = time.monotonic()
        project_archive(self._home / "project.tar")
        with (self._home / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stderr=log)
        self._channels: list[_Channel] = []
        self._qmp = self._channel("qmp")
        self.qmp("qmp_capabilities")
        self._agent = self._channel("agent")
        try:
            self._agent.greeting.get(timeout=_BOOT_SECONDS)
        except queue.Empty:
            self.__exit__(None, None, None)
            raise MachineError(f"the machine did not start within {_BOOT_SECONDS} s") from None
        self.boot_seconds = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nothing in it is worth an orderly end
        self._process.wait()
        for channel in self._channels:
            channel.close()
        self._directory.cleanup()

    def qmp(self, command: str, **arguments: object) -> Json:
        """A command to QEMU itself."""
        message = {"execute": command, "arguments": arguments}
        return self._qmp.ask(next(self._numbers), message, 60)

    def run(self, command: str, timeout: float = 60) -> str:
        """Output of a shell command in the guest, run by root; `MachineError` when it fails."""
        answer = self._agent.ask(next(self._numbers), {"run": command, "timeout": timeout}, timeout + 30)
        output = str(answer["output"])
        if answer["status"] != 0:
            raise MachineError(f"{command}: status {answer['status']}\n{output}")
        return output

    def start(self, command: str) -> int:
        """Process id of a command that goes on running."""
        return int(str(self._agent.ask(next(self._numbers), {"start": command}, 60)["pid"]))

    def uevents(self) -> list[Uevent]:
        """Every coming and going of a disk so far."""
        listed = self._agent.ask(next(self._numbers), {"uevents": True}, 60)["uevents"]
        assert isinstance(listed, list)
        return [Uevent(*event) for event in listed]

    def console(self) -> str:
        """What the kernel, and whatever was started, printed."""
        return (self._home / "console.log").read_text(errors="replace")

    def _channel(self, name: str) -> _Channel:
        channel = _Channel(self._home / name, self._process)
        self._channels.append(channel)
        return channel

    def _command(self) -> list[str]:
        home, picture = self._home, self._image
        return [
            *(
                "qemu-system-x86_64",
                "-accel",
                "tcg,tb-size=256",
                "-machine",
                "q35,usb=off,vmport=off,i8042=off,smm=off",
            ),
            # One processor: a second one made USB/IP ten times slower on two cores.
            *("-cpu", "max", "-smp", "1", "-m", str(self._memory), "-nodefaults", "-no-reboot", "-display", "none"),
            *("-kernel", f"{picture}/vmlinuz", "-initrd", f"{picture}/initrd", "-append", _KERNEL_ARGUMENTS),
            *_drive("root", picture / "root.sqfs"),
            *_drive("project", home / "project.tar"),
            *(_drive("bundle", self._bundle) if self._bundle is not None else []),
            *("-netdev", f"user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:{self.https}-:4433"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
            *("-chardev", f"socket,id=agent,path={home}/agent,server=on,wait=off", "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=agent,name=agent"),
            *("-device", "qemu-xhci,id=xhci", "-serial", f"file:{home}/console.log"),
            *("-qmp", f"unix:{home}/qmp,server=on,wait=off"),
        ]


def _drive(name: str, path: Path) -> list[str]:
    return [
        "-drive",
        f"if=none,id={name},format=raw,readonly=on,file={path}",
        "-device",
        f"virtio-blk-pci,drive={name}",
    ]


def _connected(path: Path, process: "subprocess.Popen[bytes]") -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(str(path))
        except OSError:
            link.close()
            if process.poll() is not None or time.monotonic() > deadline:
                raise MachineError(f"qemu did not start: {(path.parent / 'qemu.log').read_text()}") from None
            time.sleep(0.02)
        else:
            return link


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
