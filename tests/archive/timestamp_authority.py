"""A time stamp authority: `openssl ts` behind HTTP."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_CONF = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
certs = {folder}/root.pem
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[stamps]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


@dataclass(frozen=True)
class Authority:
    folder: Path
    url: str

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def verify(self, stamp: Path, data: Path) -> str:
        """What `openssl ts` says of a stamp."""
        return openssl("ts", "-verify", "-in", stamp, "-data", data, "-CAfile", self.root)


def openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def make_certificates(folder: Path) -> None:
    conf = folder / "openssl.cnf"
    conf.write_text(_CONF.format(folder=folder))
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "3650")
    openssl(
        *(*new, "-config", conf, "-extensions", "root", "-subj", "/CN=root"),
        *("-keyout", folder / "root.key", "-out", folder / "root.pem"),
    )
    openssl(
        *(*new, "-config", conf, "-extensions", "stamps", "-subj", "/CN=stamps"),
        *("-CA", folder / "root.pem", "-CAkey", folder / "root.key"),
        *("-keyout", folder / "tsa.key", "-out", folder / "tsa.pem"),
    )
    (folder / "serial").write_text("01\n")


@asynccontextmanager
async def authority(folder: Path) -> AsyncIterator[Authority]:
    """Run one at a free port, with its files in the empty directory `folder`."""
    make_certificates(folder)

    async def reply(request: web.Request) -> web.Response:
        (folder / "query").write_bytes(await request.read())
        openssl(
            *("ts", "-reply", "-config", folder / "openssl.cnf", "-queryfile", folder / "query"),
            *("-out", folder / "reply"),
        )
        return web.Response(body=(folder / "reply").read_bytes(), content_type="application/timestamp-reply")

    application = web.Application()
    application.router.add_post("/", reply)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield Authority(folder, f"http://127.0.0.1:{port}/")
    finally:
        await runner.cleanup()
