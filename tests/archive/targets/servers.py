"""Real servers, each a process of its own: object storage with Object Lock (moto), and SFTP (asyncssh)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from minio import Minio
from pydantic import SecretStr

from gateway.config.archive_target import ArchiveTargetSettings

KEY_ID, SECRET, BUCKET = "shop-key", "shop-secret", "evidence"
_MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_SFTP = """
import asyncio, sys
import asyncssh

class Keys(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return password == "right"

def chrooted(channel):
    return asyncssh.SFTPServer(channel, chroot=sys.argv[1])

async def main():
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Keys, server_host_keys=[sys.argv[2]], sftp_factory=chrooted
    )
    print(server.get_port(), flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@dataclass(frozen=True)
class ObjectStorage:
    """A bucket with Object Lock in an object storage."""

    address: str
    client: Minio
    bucket: str = BUCKET

    def settings(self, **changed: object) -> ArchiveTargetSettings:
        given: dict[str, object] = {
            "name": "storage",
            "url": f"http://{self.address}/{self.bucket}/tse",
            "key_id": KEY_ID,
            "secret": SecretStr(SECRET),
        }
        return ArchiveTargetSettings.model_validate(given | changed)


def _started(program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"MOTO_S3_CUSTOM_ENDPOINTS": ""},
    )


@contextmanager
def running(program: str, *arguments: str) -> Iterator[int]:
    """Run a server until the end of the block; its port."""
    with _started(program, *arguments) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    with running(_MOTO) as port:
        address = f"127.0.0.1:{port}"
        client = Minio(address, KEY_ID, SECRET, secure=False, region="us-east-1")
        client.make_bucket(BUCKET, object_lock=True)
        yield ObjectStorage(address, client)


@contextmanager
def sftp_server(root: Path, keys: Path) -> Iterator[ArchiveTargetSettings]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(keys / "host_key")
    with running(_SFTP, str(root), str(keys / "host_key")) as port:
        yield ArchiveTargetSettings.model_validate(
            {
                "name": "server",
                "url": f"sftp://shop@127.0.0.1:{port}/tse",
                "secret": SecretStr("right"),
                "host_key": key.export_public_key().decode(),
            }
        )
