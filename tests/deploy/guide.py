"""python -m tests.deploy.guide: docs/de followed to the letter in a fresh Debian, from nothing to a receipt.

Every command comes from the text, in its order: the blocks marked `<!-- guide: bare ... -->` run in a bash of the user
`admin`, who has sudo and a German locale; with `--language en` those of compose/README.md, in an English one. What a
person would do beside them is done here and nothing more: the editor is answered with two changed lines, and the
questions of `setup` are typed in. As root; apt install mmdebstrap. Port 4433 must be free.

The Debian is a chroot: udevd runs in it, and the package `systemctl` starts the unit in the place of systemd (its
sandbox is not proved here; tests/deploy/test_compose.py has systemd check it).
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.clock.time_server import answer_to
from tests.deploy.terminal import Terminal

ROOT = Path(__file__).parents[2]
GUIDES = {
    "de": tuple(ROOT / f"docs/de/{name}.md" for name in ("installation", "sicherung", "update")),
    "en": (ROOT / "compose/README.md",),
}
_MARK = re.compile(r"<!-- guide: (?P<way>[\w-]+) -->\n```sh\n(?P<commands>.*?)```", re.DOTALL)
_PACKAGES = "sudo,locales,ca-certificates,udev,systemctl,systemd-standalone-sysusers,systemd-standalone-tmpfiles"
# What an installed Debian has that a chroot lacks; devices of its own, so that nothing here reaches this machine's.
_BOOT = """
set -e
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev
mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/zero c 1 5 && mknod -m 666 /dev/tty c 5 0
mknod -m 666 /dev/random c 1 8 && mknod -m 666 /dev/urandom c 1 9 && ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin && ln -s fd/1 /dev/stdout && ln -s fd/2 /dev/stderr
mkdir -p /dev/pts /dev/shm /run/lock && mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
apt-get update -qq
/lib/systemd/systemd-udevd --daemon
exec su -l admin
"""
_EDITOR = """#!/bin/sh
sed -i 's/^GATEWAY_SITE=.*/GATEWAY_SITE=Guide/; s/^GATEWAY_ADDRESS=.*/GATEWAY_ADDRESS=127.0.0.1/' "$1"
printf 'GATEWAY_BIND=127.0.0.1\\nGATEWAY_NTP_SERVERS=127.0.0.1:%d\\n' >>"$1"
"""
# Question and what a person types. The space behind the colon comes when the terminal listens.
_ANSWERS = {
    r"(three\s+tries|3\s+Versuchen)\): $": "",
    r"(new|neue) PUK[^:]*: $": "123456",
    r"(new|neue) Admin.PIN[^:]*: $": "12345",
    r"(new|neue) TimeAdmin.PIN[^:]*: $": "98765",
}
_SERIAL = re.compile(r"\b([0-9A-F]{64})\b")


def main() -> None:
    """Follow the guide; ends with a traceback where it fails."""
    asked = argparse.ArgumentParser(prog="python -m tests.deploy.guide", description="the guide, followed")
    asked.add_argument("--suite", default="trixie", help="of Debian (default trixie)")
    asked.add_argument("--language", choices=GUIDES, default="de", help="of guide and locale (default de)")
    given = asked.parse_args()
    began = time.monotonic()
    with fresh_debian(given.suite) as (_, shell):
        follow(shell, given.language)
    seconds = time.monotonic() - began
    done = f"the guide ({given.language}) works in Debian {given.suite}"
    print(f"\n{done}: {seconds:.0f} s from a bare box, restore and update included")


@contextmanager
def fresh_debian(suite: str) -> Iterator[tuple[Path, Terminal]]:
    """The directory of a bare Debian, and a shell in it of the user admin, who has sudo and a clone."""
    with tempfile.TemporaryDirectory(prefix="tse-guide.") as place, _time_server() as time_port:
        root = Path(place)
        subprocess.run(["tar", "-x", "-C", root, "-f", _debian(suite)], check=True)
        _furnish(root, time_port)
        # What runs in it ends with it, whatever becomes of this program.
        confined = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", str(root), "bash", "-c", _BOOT]
        with Terminal(confined, environment=_environment()) as shell:
            try:
                yield root, shell
            except AssertionError as error:
                error.add_note(
                    shell.run("systemctl status tse-gateway; sudo tail -n 20 /var/log/journal/tse-gateway*", None)
                )
                raise


def follow(shell: Terminal, language: str) -> None:
    """From the bare box to the first receipt; then a backup, a lost disk, the same gateway again, and an update."""
    locale = {"de": "de_DE.UTF-8", "en": "C.UTF-8"}[language]
    shell.run(f"cd tse-gateway && export LANG={locale} && serial= && cat /etc/os-release | head -1")
    said = "".join(run(shell, commands) for commands in blocks("bare", language))
    told = {"de": "ist in Betrieb", "en": "is in service"}[language]
    assert told in " ".join(said.split()), "no TSE was put into service, or that was told in another language"
    assert re.search(r'"signature": *"[A-Za-z0-9+/=]{100,}"', said), "no signature was answered"
    assert "V0;" in said, "no receipt code was shown"
    # With the TimeAdmin PIN the gateway makes the TSE ready by itself after a restart, as the guide says.
    shell.run("timeout 120 sh -c 'until tse-gateway healthcheck --ready >/dev/null 2>&1; do sleep 0.5; done'")
    before = known(shell)
    run(shell, *blocks("bare-backup", language))
    shell.run("sudo systemctl stop tse-gateway; sudo mv /var/lib/tse-gateway/simulator-1 /root/the-tse")
    shell.run("sudo rm -rf /var/lib/tse-gateway /etc/tse-gateway")
    shell.run("sudo systemd-tmpfiles --create")  # of step 2, on the new machine
    shell.run("sudo mv /root/the-tse /var/lib/tse-gateway/simulator-1")  # a TSE is not lost with the disk
    run(shell, *blocks("bare-restore", language))
    assert known(shell) == before, "token, certificate, TSE or receipt are others after the restore"
    run(shell, *blocks("bare-update", language))
    assert known(shell) == before, "token, certificate, TSE or receipt are others after the update"
    print(shell.run("sudo systemctl stop tse-gateway; sudo tail -n 3 /var/log/journal/tse-gateway.service.log", None))


def known(shell: Terminal) -> str:
    """Who the gateway is, and what it signed under a key."""
    state = "/var/lib/tse-gateway"
    sign = (
        f"sudo curl -sS --fail-with-body --unix-socket {state}/gateway.sock "
        "-H 'Content-Type: application/json' -H 'Idempotency-Key: guide-1' -d '{\"client_id\":\"POS-1\"}' "
        'http://localhost/api/v1/tses/$serial/sign | grep -o \'"signature":"[^"]*"\''
    )
    first = shell.run(sign)
    return first + shell.run(
        f"sudo sha256sum {state}/api_token {state}/tls/ca.pem {state}/tls/ca-key.pem; "
        f"sudo stat -c '%a %U %n' {state} {state}/api_token {state}/tls/ca-key.pem; "
        "tse-gateway devices --json | grep serial"
    )


def blocks(way: str, language: str = "en") -> list[str]:
    """The commands of the guide for one way, block by block."""
    texts = [page.read_text(encoding="utf-8") for page in GUIDES[language]]
    found = [match["commands"] for text in texts for match in _MARK.finditer(text) if match["way"] == way]
    assert found, f"the guide has no blocks {way}"
    return found


def commands_of(block: str) -> Iterator[str]:
    """One at a time; a line that ends in a backslash goes on."""
    yield from (line for line in re.split(r"(?<!\\)\n", block) if line.strip())


def run(shell: Terminal, *given: str) -> str:
    """Commands of the guide, each of which must succeed; all that they said."""
    said = ""
    for command in (command for block in given for command in commands_of(block)):
        if "tse-gateway setup" in command:
            said += shell.converse(command, _ANSWERS, serial=_SERIAL)
        else:
            said += shell.run(command)
        if re.search(r"systemctl (start|restart|enable --now)", command):
            # A person is slower than the gateway.
            shell.run("timeout 120 sh -c 'until tse-gateway healthcheck >/dev/null 2>&1; do sleep 0.2; done'")
    return said


def _debian(suite: str) -> Path:
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tse-gateway-guide")
    kept /= f"{suite}-{zlib.crc32(_PACKAGES.encode()):08x}.tar"
    if not kept.exists():
        if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
            sys.exit("guide: needs root, and: apt install mmdebstrap")
        kept.parent.mkdir(parents=True, exist_ok=True)
        command = [
            "mmdebstrap",
            "--quiet",
            "--format=tar",
            "--variant=minbase",
            f"--include={_PACKAGES}",
            suite,
            f"{kept}.new",
        ]
        subprocess.run(command, check=True)
        Path(f"{kept}.new").rename(kept)
    return kept


@contextmanager
def _time_server() -> Iterator[int]:
    """The port of a time server on this machine, for machines that reach no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    packet, peer = server.recvfrom(512)
                    server.sendto(answer_to(packet, received=time.time(), sent=time.time()), peer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def _furnish(root: Path, time_port: int) -> None:
    """A user with sudo and a clone, an editor that knows what to write, and this machine's way to its mirrors."""
    subprocess.run(["chroot", root, "localedef", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8"], check=True)
    subprocess.run(["chroot", root, "useradd", "-m", "-s", "/bin/bash", "admin"], check=True)
    (root / "etc/sudoers.d/admin").write_text(
        'Defaults env_keep += "PIP_CERT SSL_CERT_FILE"\nadmin ALL=(ALL) NOPASSWD: ALL\n'
    )
    (root / "usr/local/bin/nano").write_text(_EDITOR % time_port)
    (root / "usr/local/bin/nano").chmod(0o755)
    clone = root / "home/admin/tse-gateway"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    subprocess.run(["chroot", root, "chown", "-R", "admin:admin", "/home/admin"], check=True)
    for name in ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).exists():
            shutil.copy(Path("/", name), root / name)
    # The package `systemctl` does not know this type.
    dropin = root / "etc/systemd/system/tse-gateway.service.d/type.conf"
    dropin.parent.mkdir(parents=True)
    dropin.write_text("[Service]\nType=\nType=simple\n")
    for settings in Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copy(settings, root / "etc/apt/apt.conf.d")


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}


if __name__ == "__main__":
    main()
