"""OpenSSH as a target: an account that adds and reads by SFTP, and may neither delete nor replace."""

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from gateway.archive.targets.connect import target_of
from gateway.archive.targets.target import TargetUnreachable
from gateway.config.archive_target import ArchiveTargetSettings

_PORT = 17422
_PAGE = Path(__file__).parents[3] / "docs/administrators/archive-targets.md"
_CONF = """
Port {port}
ListenAddress 127.0.0.1
HostKey {keys}/host
PidFile none
AuthorizedKeysFile {keys}/authorized
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
{forced}
"""


def is_installed() -> bool:
    """Tell whether `apt-get install openssh-server` was done."""
    return Path("/usr/sbin/sshd").exists()


@contextmanager
def openssh(keys: Path, folder: Path) -> Iterator[ArchiveTargetSettings]:
    """Run sshd with the line of the administrators' page; the account is that of whoever runs this."""
    host, own = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host.write_private_key(keys / "host")
    own.write_private_key(keys / "own")
    for name in ("host", "own"):
        (keys / name).chmod(0o600)
    own.write_public_key(keys / "authorized")
    forced = next(line for line in _PAGE.read_text().splitlines() if "ForceCommand" in line)
    (keys / "sshd_config").write_text(_CONF.format(port=_PORT, keys=keys, forced=forced))
    Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    with subprocess.Popen([program, "-D", "-f", keys / "sshd_config"], stderr=subprocess.DEVNULL) as server:
        settings = ArchiveTargetSettings.model_validate(
            {
                "name": "server",
                "url": f"sftp://{getpass.getuser()}@127.0.0.1:{_PORT}{folder}",
                "key_file": keys / "own",
                "host_key": host.export_public_key().decode(),
            }
        )
        try:
            _wait(settings)
            yield settings
        finally:
            server.kill()


def _wait(settings: ArchiveTargetSettings) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with target_of(settings) as target:
                list(target.files())
        except TargetUnreachable:
            assert time.monotonic() < deadline, "sshd did not start"
            time.sleep(0.2)
        else:
            return
