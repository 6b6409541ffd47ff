"""Client certificates of an authority made with openssl: right, wrong, revoked, none; for the roles that need one."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.access.caller import Role
from gateway.access.tokens import NewToken
from gateway.app.gateway import Gateway, running
from gateway.errors import ConfigurationError
from gateway.server.http import tls
from tests.cli.background import call
from tests.lan_client import BASE
from tests.server.shop import TOKEN, settings_for

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

_CONFIG = """
[ca]
default_ca = own
[own]
database = {place}/index
crlnumber = {place}/number
default_md = sha256
default_crl_days = 30
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """One CA, with what openssl needs to revoke."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.place, self.certificate, self.revoked = place, place / "ca.pem", place / "crl.pem"
        (place / "index").touch()
        (place / "number").write_text("01\n")
        (place / "config").write_text(_CONFIG.format(place=place))
        self._openssl(
            "req", "-x509", *_KEY, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=A shop", "-days", "30"
        )
        self.list_revoked()

    def issue(self, subject: str, *names: str) -> Path:
        """A certificate and its key in one file."""
        name = subject.replace(" ", "-")
        extension = self.place / f"{name}.ext"
        extension.write_text(
            "extendedKeyUsage = clientAuth\n" + (f"subjectAltName = {','.join(names)}\n" if names else "")
        )
        self._openssl("req", "-new", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        signed = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-days", "30")
        self._openssl(*signed, "-extfile", str(extension), "-out", f"{name}.crt")
        both = self.place / f"{name}.pem"
        both.write_text((self.place / f"{name}.crt").read_text() + (self.place / f"{name}.key").read_text())
        return both

    def revoke(self, pair: Path) -> None:
        self._openssl(
            "ca",
            "-config",
            "config",
            "-keyfile",
            "ca-key.pem",
            "-cert",
            "ca.pem",
            "-revoke",
            str(pair.with_suffix(".crt")),
        )
        self.list_revoked()

    def list_revoked(self) -> None:
        self._openssl(
            "ca", "-config", "config", "-keyfile", "ca-key.pem", "-cert", "ca.pem", "-gencrl", "-out", "crl.pem"
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=self.place, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@asynccontextmanager
async def site(tmp_path: Path, authority: Authority, **given: Any) -> AsyncIterator[Gateway]:
    """A gateway with an operator called chief and a monitor called prometheus."""
    ca = {"tls_client_ca": authority.certificate, "tls_client_crl": authority.revoked}
    async with running(settings_for(tmp_path, **ca, **given)) as gateway:
        known = {token.name for token in gateway.tokens.all()}
        for name, role in {"chief": Role.OPERATOR, "prometheus": Role.MONITOR}.items():
            if name in known:
                continue
            await gateway.tokens.add(NewToken(name, role), 0)
        yield gateway


async def ask(gateway: Gateway, path: str, pair: Path | None = None, token: str = "") -> int:
    """The status, or 0 if there is no connection."""
    context = tls.client_context(gateway.settings)
    if pair is not None:
        context.load_cert_chain(pair)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(ssl=context)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            session.get(f"https://127.0.0.1:{gateway.port}{path}") as answer,
        ):
            return answer.status
    except aiohttp.ClientError:
        return 0


async def test_the_right_certificate_stands_for_the_token_of_its_name(tmp_path: Path, authority: Authority) -> None:
    chief = authority.issue("chief")
    by_name = authority.issue("Monitoring host", "DNS:prometheus", "DNS:prometheus.shop")
    nobody = authority.issue("nobody")
    async with site(tmp_path, authority) as gateway:
        assert await ask(gateway, "/api/v1/tokens", chief) == 200
        assert await ask(gateway, "/metrics", by_name) == 200
        assert await ask(gateway, "/api/v1/tokens", by_name) == 403
        assert await ask(gateway, "/api/v1/tses", nobody) == 401
        assert await ask(gateway, "/api/v1/tses", nobody, TOKEN) == 200


async def test_without_a_certificate_tokens_count_as_before(tmp_path: Path, authority: Authority) -> None:
    async with site(tmp_path, authority) as gateway:
        assert await ask(gateway, f"{BASE}/tses", token=TOKEN) == 200
        assert await ask(gateway, "/api/v1/tses") == 401


async def test_a_certificate_of_another_authority_gets_no_connection(tmp_path: Path, authority: Authority) -> None:
    wrong = Authority(tmp_path / "other").issue("chief")
    async with site(tmp_path, authority) as gateway:
        assert await ask(gateway, "/api/v1/tokens", wrong) == 0
        assert await ask(gateway, "/api/v1/tses", wrong, TOKEN) == 0


async def test_a_revoked_certificate_gets_no_connection_once_the_list_is_read(
    tmp_path: Path, authority: Authority
) -> None:
    chief, other = authority.issue("chief"), authority.issue("prometheus")
    async with site(tmp_path, authority) as gateway:
        assert await ask(gateway, "/api/v1/tokens", chief) == 200
    authority.revoke(chief)
    async with site(tmp_path, authority) as gateway:
        assert await ask(gateway, "/api/v1/tokens", chief) == 0
        assert await ask(gateway, "/metrics", other) == 200


async def test_a_list_that_is_newer_counts_from_the_next_handshake_on(tmp_path: Path, authority: Authority) -> None:
    chief = authority.issue("chief")
    settings = settings_for(tmp_path, tls_client_ca=authority.certificate, tls_client_crl=authority.revoked)
    context = tls.server_context(settings)
    renewal = tls.Renewal(settings, context)
    assert not renewal.check()
    authority.revoke(chief)
    assert renewal.check()
    assert not renewal.check()
    assert context.cert_store_stats()["crl"] == 2


async def test_roles_that_need_a_certificate_are_refused_without_it(tmp_path: Path, authority: Authority) -> None:
    chief, other = authority.issue("chief"), authority.issue("prometheus")
    async with site(tmp_path, authority, tls_client_required="operator,lan") as gateway:
        token = await gateway.tokens.rotate("chief", 0, 0)
        monitor = await gateway.tokens.rotate("prometheus", 0, 0)
        assert await ask(gateway, "/api/v1/tokens", token=token) == 403
        assert await ask(gateway, "/api/v1/tokens", other, token) == 403
        assert await ask(gateway, "/api/v1/tokens", chief, token) == 200
        assert await ask(gateway, "/metrics", token=monitor) == 200
        assert await ask(gateway, f"{BASE}/tses", token=TOKEN) == 403


async def test_the_command_line_shows_its_certificate(tmp_path: Path, authority: Authority) -> None:
    chief = authority.issue("chief")
    async with site(tmp_path, authority) as gateway:
        ca = gateway.settings.state_dir / "tls" / "ca.pem"
        line = f"token list --json --url https://127.0.0.1:{gateway.port} --ca {ca} --client-certificate {chief}"
        said = await asyncio.to_thread(call, line, {})
        assert (said.status, "prometheus" in said.out) == (0, True)
        said = await asyncio.to_thread(call, line.replace(str(chief), str(ca)), {})
        assert (said.status, "cannot be used" in said.err) == (1, True)


def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "rubbish").write_text("x")
    for given in (
        {"tls_client_ca": tmp_path / "missing"},
        {"tls_client_ca": authority.certificate, "tls_client_crl": tmp_path / "rubbish"},
    ):
        with pytest.raises(ConfigurationError, match="cannot be used"):
            tls.server_context(settings_for(tmp_path, **given))
    with pytest.raises(ValueError, match="need tls_client_ca"):
        settings_for(tmp_path, tls_client_required="operator")
