"""A gateway that is stopped by SIGSTOP is started anew within a minute: by systemd, and by Podman's quadlet.

    python -m tests.deploy.hung          as root; apt install mmdebstrap podman runc; after tests/deploy/run-image

Both run in a Debian 13 with systemd as its first process, itself a container. A gateway that goes on before its time is
over must not end: no thread of it has seen the event loop stand still.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.monitoring.prometheus import free_port

ROOT = Path(__file__).parents[2]
NAME, DEBIAN, GATEWAY = "tse-gateway-hung", "localhost/tse-gateway-hung", "localhost/tse-gateway:test"
LONGEST = 60.0  # seconds
_PACKAGES = "systemd,systemd-sysv,dbus,udev,podman,crun,netavark,python3-venv,ca-certificates"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tse-gateway-image")
_PORT = free_port()
_SETTINGS = f"GATEWAY_SIMULATORS=1\nGATEWAY_PORT={_PORT}\nGATEWAY_BIND=127.0.0.1\nGATEWAY_NTP_SERVERS=none\n"
_HEALTHCHECK = ("env", f"GATEWAY_PORT={_PORT}", "/opt/tse-gateway/bin/python", "-I", "-m", "gateway", "healthcheck")
_INSTALL = """
python3 -m venv /opt/tse-gateway
/opt/tse-gateway/bin/pip install -q --require-hashes -r .ci/requirements.txt
cp -r gateway "$(/opt/tse-gateway/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
install -D -m 0644 compose/systemd/tse-gateway.sysusers /etc/sysusers.d/tse-gateway.conf
install -D -m 0644 compose/systemd/tse-gateway.tmpfiles /etc/tmpfiles.d/tse-gateway.conf
install -D -m 0644 compose/systemd/tse-gateway.service /etc/systemd/system/tse-gateway.service
systemd-sysusers
systemd-tmpfiles --create
"""


def main() -> None:
    """Stop it in both ways, and tell how long each took."""
    with debian():
        copy_project()
        by_systemd()
        by_quadlet()


def by_systemd() -> None:
    """The unit: stopped for less than its patience, and for good."""
    inside("sh", "-ec", _INSTALL)
    inside("sh", "-c", f"printf '{_SETTINGS}' >/etc/tse-gateway/gateway.env")
    inside("systemctl", "daemon-reload")
    inside("systemctl", "start", "tse-gateway")
    process = shown("MainPID")
    send("STOP", process)
    time.sleep(35)  # longer than hang_timeout, shorter than WatchdogSec
    send("CONT", process)
    until(lambda: "ok" in inside(*_HEALTHCHECK), 20)
    assert shown("MainPID") == process, "a gateway ended that had been stopped for a while"
    told("stopped for 35 s by SIGSTOP", "goes on")
    send("STOP", process)
    told("systemd: from SIGSTOP until it serves", f"{until(lambda: restarts() == 1, LONGEST):.0f} s")
    assert "Watchdog timeout" in inside("journalctl", "-u", "tse-gateway", "--no-pager")
    inside("systemctl", "stop", "tse-gateway")
    inside("rm", "/etc/systemd/system/tse-gateway.service")


def by_quadlet() -> None:
    """The unit that Podman's generator makes."""
    image = _CACHE / "image.tar"
    image.unlink(missing_ok=True)
    podman("save", "-q", GATEWAY, "-o", str(image))
    podman("cp", str(image), f"{NAME}:/root/image.tar")
    image.unlink()
    inside("podman", "load", "-q", "-i", "/root/image.tar")
    name = re.search(r"^Image=(.+)$", (ROOT / "compose/quadlet/tse-gateway.container").read_text(), re.MULTILINE)
    assert name is not None
    inside("podman", "tag", GATEWAY, name[1])
    inside(
        "sh",
        "-c",
        "mkdir -p /etc/containers/systemd /run/udev && cp compose/quadlet/tse-gateway.* /etc/containers/systemd",
    )
    inside("systemctl", "daemon-reload")
    inside("systemctl", "start", "tse-gateway")
    until(lambda: "healthy" in inside("podman", "ps", "--format", "{{.Status}}"), LONGEST)
    send("STOP", inside("podman", "inspect", "-f", "{{.State.Pid}}", "tse-gateway").strip())
    told("quadlet: from SIGSTOP until it serves", f"{until(lambda: restarts() == 1, LONGEST):.0f} s")


def send(signal: str, process: str) -> None:
    inside("sh", "-c", f"kill -{signal} {process}")


def restarts() -> int:
    """How often it was started anew; -1 while it does not serve (Type=notify)."""
    return int(shown("NRestarts")) if shown("ActiveState") == "active" else -1


def shown(what: str) -> str:
    return inside("systemctl", "show", "-P", what, "tse-gateway").strip()


@contextmanager
def debian() -> Iterator[None]:
    """Debian 13 as a container, its systemd running."""
    os.environ |= {"CONTAINERS_CONF": str(_CACHE / "containers.conf"), "STORAGE_DRIVER": "overlay"}  # of run-image
    if subprocess.run(["podman", "image", "exists", DEBIAN], check=False).returncode:
        archive = _CACHE / "hung.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "trixie", str(archive)]
        subprocess.run(command, check=True)
        podman("import", "-q", str(archive), DEBIAN)
        archive.unlink()
    podman("rm", "-f", "-i", "-v", "-t", "0", NAME)
    # The last argument lets systemd 257 start on a machine with the older cgroups.
    options = ("--privileged", "--systemd=always", "--network=host", "--volume", "/var/lib/containers")
    podman("run", "-d", "--name", NAME, *options, DEBIAN, "/sbin/init", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")
    try:
        until(lambda: "running" in inside("systemctl", "is-system-running"), LONGEST)
        yield
    finally:
        podman("rm", "-f", "-v", "-t", "0", NAME)


def copy_project() -> None:
    """Copy what the guide installs, and how pip reaches its index from here."""
    files = subprocess.run(
        ["tar", "-C", ROOT, "-c", "gateway", ".ci/requirements.txt", "compose"], capture_output=True, check=True
    )
    subprocess.run(["podman", "exec", "-i", NAME, "tar", "-C", "/root", "-x"], input=files.stdout, check=True)
    for name in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(name).exists():
            podman("cp", name, f"{NAME}:{name}")


def until(holds: Callable[[], bool], longest: float) -> float:
    """Wait until it holds; return the seconds that took."""
    began = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began
        except SystemExit:  # not yet
            pass
        assert time.monotonic() - began < longest, f"not within {longest:g} s: {inside('journalctl', '-n', '30')}"
        time.sleep(0.5)


def inside(*command: str) -> str:
    """Its output; run in the Debian."""
    environment = "PODMAN_IGNORE_CGROUPSV1_WARNING=1"
    return podman("exec", "-w", "/root", "-e", environment, NAME, *command)


def podman(*arguments: str) -> str:
    """Its output; an error shows what it said."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def told(what: str, value: str) -> None:
    print(f"{what:40} {value}", flush=True)


if __name__ == "__main__":
    main()
