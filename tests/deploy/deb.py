"""python -m tests.deploy.deb: the Debian package built, installed, upgraded and purged in fresh Debians.

As root; apt install mmdebstrap. Port 4433 must be free. Each Debian is a chroot as in `tests.deploy.guide`.
"""

import argparse
import shutil
import time

from tests.deploy.guide import blocks, fresh_debian, known, run
from tests.deploy.terminal import Terminal

_NEWER = "9.0.0"
_INSTALL = "sudo apt-get install -y -qq --no-install-recommends"
_SERVES = "timeout 120 sh -c 'until tse-gateway healthcheck >/dev/null 2>&1; do sleep 0.2; done'"


def main() -> None:
    """Build in one Debian, live with the package in another."""
    asked = argparse.ArgumentParser(prog="python -m tests.deploy.deb", description="the Debian package, tried")
    asked.add_argument("--suite", default="bookworm", help="of Debian (default bookworm)")
    suite = asked.parse_args().suite
    began = time.monotonic()
    with fresh_debian(suite) as (home, shell):
        build(shell)
        with fresh_debian(suite) as (target, other):
            for name in ("one", "two"):
                shutil.copytree(home / "home/admin" / name, target / "home/admin" / name)
            live(other)
    print(f"\nthe package works in Debian {suite}: {time.monotonic() - began:.0f} s")


def build(shell: Terminal) -> None:
    """Two versions, and again the first; what lintian says."""
    shell.run(f"{_INSTALL} debhelper dpkg-dev lintian build-essential python3-venv")
    shell.run("cd tse-gateway && export SOURCE_DATE_EPOCH=1790000000")
    shell.run(f".ci/build-deb ~/one && .ci/build-deb ~/again && VERSION={_NEWER} .ci/build-deb ~/two")
    shell.run("cmp ~/one/*.deb ~/again/*.deb")
    shell.run("lintian --fail-on error --tag-display-limit 0 ~/one/*.deb 2>/dev/null | grep -v site-packages; true")
    shell.run("lintian --fail-on error ~/one/*.deb >/dev/null 2>&1")


def live(shell: Terminal) -> None:
    """From the bare box to the first receipt, to the next version, and back to the bare box."""
    shell.run("sudo mkdir -p /run/systemd/system && export LANG=C.UTF-8")
    shell.run(f"{_INSTALL} curl ~/one/*.deb")
    simulated, _, _, receipt = blocks("bare")[3:7]
    run(shell, simulated)
    shell.run("sudo nano /etc/tse-gateway/gateway.env")
    shell.run(f"sudo systemctl restart tse-gateway && {_SERVES}")
    run(shell, "tse-gateway setup --client POS-1")
    run(shell, receipt)
    before = known(shell)
    shell.run(f"{_INSTALL} ~/two/*.deb && {_SERVES}")
    assert _NEWER in shell.run("dpkg-query -W tse-gateway")
    shell.run("sudo grep -q GATEWAY_SIMULATORS=1 /etc/tse-gateway/gateway.env")
    shell.run("tse-gateway selftest --client POS-1")
    assert known(shell) == before, "token, certificate, TSE or receipt are others after the upgrade"
    shell.run("sudo apt-get purge -y -qq tse-gateway")
    shell.run("test ! -e /etc/tse-gateway && test ! -e /usr/lib/tse-gateway && test ! -e /usr/bin/tse-gateway")
    shell.run("sudo test -e /var/lib/tse-gateway/archive")
    shell.run("! pgrep -f 'gateway serve'")


if __name__ == "__main__":
    main()
