import asyncio
import os
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from gateway.errors import ConfigurationError
from gateway.server.http import certificate_authority, tls
from tests.needs import OPENSSL
from tests.server.shop import Served, serve, settings_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = frozenset({"localhost", "127.0.0.1", "tse.shop.example"})


def leaf_in(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names_in(path: Path) -> set[str]:
    found = leaf_in(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def own_pair(directory: Path, *, days: int = 100, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate and key as a customer brings them."""
    directory.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    now = datetime.now(UTC)
    begin = min(now, now + timedelta(days=days)) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(now + timedelta(days=days))
    certificate = builder.sign(key, hashes.SHA256())
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    chain, key_file = directory / "chain.pem", directory / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    return chain, key_file


def refused(tmp_path: Path, chain: Path, key: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        tls.server_context(settings_for(tmp_path, tls_certificate=chain, tls_key=key))
    return str(caught.value)


def test_the_first_start_makes_an_authority_and_a_server_certificate(tmp_path: Path) -> None:
    path = certificate_authority.ensure_server_certificate(tmp_path / "tls", NAMES, NOW)
    ca, leaf = x509.load_pem_x509_certificates((tmp_path / "tls" / "ca.pem").read_bytes())[0], leaf_in(path)
    verifier = PolicyBuilder().store(Store([ca])).time(NOW).build_server_verifier(x509.DNSName("tse.shop.example"))
    assert verifier.verify(leaf, []) == [leaf, ca]
    assert ca.not_valid_after_utc - NOW > timedelta(days=10 * 365)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=825)
    assert leaf.not_valid_before_utc < NOW
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "tse.shop.example"}
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


def stolen(directory: Path, name: str, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH) -> Path:
    """A certificate by whoever has the key of the authority."""
    ca = leaf_in(directory / "ca.pem")
    key = serialization.load_pem_private_key((directory / "ca-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    builder = certificate_authority._builder(
        key, certificate_authority._name("stolen"), ca.subject, now, now + timedelta(days=9)
    )
    names = [certificate_authority._alternative(name)]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    leaf = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False).sign(key, hashes.SHA256())
    path = directory / "stolen.pem"
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    return path


def openssl(directory: Path, leaf: Path, purpose: str = "sslserver") -> str:
    """What `openssl verify` says of it."""
    command = ["openssl", "verify", "-purpose", purpose, "-CAfile", str(directory / "ca.pem"), str(leaf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@OPENSSL
@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("tse.shop.example", True),
        ("TSE.shop.example", True),
        ("sub.tse.shop.example", True),
        ("localhost", True),
        ("192.168.178.20", True),
        ("10.1.2.3", True),
        ("fd00::1", True),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("2001:db8::1", False),
        ("bank.example", False),
        ("shop.example", False),
        ("eviltse.shop.example", False),
        ("www.tse.shop.example.org", False),
    ],
)
def test_the_authority_is_trusted_for_the_gateway_and_private_networks_only(
    tmp_path: Path, name: str, trusted: bool
) -> None:
    certificate_authority.ensure_server_certificate(tmp_path, NAMES | {"198.51.100.7"})
    verdict = openssl(tmp_path, stolen(tmp_path, name))
    assert ("OK" in verdict) is trusted, verdict
    assert trusted or "permitted subtree violation" in verdict
    assert (name in certificate_authority.permitted_names(leaf_in(tmp_path / "ca.pem"), frozenset({name}))) is trusted


@OPENSSL
@pytest.mark.parametrize(
    ("usage", "purpose"),
    [
        (ExtendedKeyUsageOID.CLIENT_AUTH, "sslclient"),
        (ExtendedKeyUsageOID.EMAIL_PROTECTION, "smimesign"),
    ],
)
def test_the_authority_is_trusted_for_servers_only(tmp_path: Path, usage: x509.ObjectIdentifier, purpose: str) -> None:
    certificate_authority.ensure_server_certificate(tmp_path, NAMES)
    assert "OK" in openssl(tmp_path, stolen(tmp_path, "localhost"))
    assert "OK" not in openssl(tmp_path, stolen(tmp_path, "localhost", usage), purpose)


def test_a_name_that_the_authority_may_not_have_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls.server_context(settings_for(tmp_path, address="192.168.1.5"))
    directory = tmp_path / "state" / "tls"
    ca = (directory / "ca.pem").read_bytes()
    assert not caplog.records
    tls.server_context(settings_for(tmp_path, address="tse.shop.example"))
    (told,) = caplog.records
    assert "tse.shop.example" in told.getMessage()
    assert (directory / "ca.pem").read_bytes() == ca
    assert "tse.shop.example" not in names_in(directory / "server.pem")
    for file in ("ca.pem", "ca-key.pem"):
        (directory / file).unlink()
    tls.server_context(settings_for(tmp_path, address="tse.shop.example"))
    assert "tse.shop.example" in names_in(directory / "server.pem")
    assert len(caplog.records) == 1


def test_an_authority_of_version_0_2_is_kept_and_names_whatever_is_needed(tmp_path: Path) -> None:
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    key = serialization.load_pem_private_key((tmp_path / "ca-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = certificate_authority._name("TSE Gateway CA 0815")
    builder = certificate_authority._builder(key, name, name, NOW, NOW + timedelta(days=7000))
    old = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    (tmp_path / "ca.pem").write_bytes(old.public_bytes(serialization.Encoding.PEM))
    assert certificate_authority.ensure_server_certificate(tmp_path, NAMES | {"elsewhere.example"}, NOW) == path
    assert leaf_in(tmp_path / "ca.pem") == old
    assert "elsewhere.example" in names_in(path)
    leaf_in(path).verify_directly_issued_by(old)


def test_keys_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        certificate_authority.ensure_server_certificate(tmp_path / "tls", NAMES, NOW)
    finally:
        os.umask(before)
    assert mode(tmp_path / "tls") == 0o700
    assert {path.name: mode(path) for path in (tmp_path / "tls").iterdir()} == {
        "ca.pem": 0o600,
        "ca-key.pem": 0o600,
        "server.pem": 0o600,
    }


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    before = path.read_bytes()
    assert certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW + timedelta(days=700)) == path
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("names", "later"),
    [
        (NAMES | {"192.168.2.9"}, 0),
        (NAMES - {"localhost"}, 0),
        (NAMES, 800),
        (NAMES, 4000),
        (NAMES, -3),
    ],
)
def test_other_names_or_a_near_end_bring_a_new_one_from_the_same_authority(
    tmp_path: Path, names: frozenset[str], later: int
) -> None:
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    before, ca = leaf_in(path), (tmp_path / "ca.pem").read_bytes()
    certificate_authority.ensure_server_certificate(tmp_path, names, NOW + timedelta(days=later))
    assert leaf_in(path) != before
    assert (tmp_path / "ca.pem").read_bytes() == ca


def test_a_damaged_server_certificate_is_made_anew(tmp_path: Path) -> None:
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    for damage in (b"", b"rubbish", path.read_bytes()[:-600]):
        path.write_bytes(damage)
        certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
        leaf_in(path).verify_directly_issued_by(leaf_in(tmp_path / "ca.pem"))


def test_an_old_authority_is_replaced_before_it_ends(tmp_path: Path) -> None:
    certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    before = leaf_in(tmp_path / "ca.pem")
    late = before.not_valid_after_utc - timedelta(days=40)
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, late)
    assert leaf_in(path).not_valid_after_utc <= before.not_valid_after_utc
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, late + timedelta(days=15))
    after = leaf_in(tmp_path / "ca.pem")
    assert after != before
    leaf_in(path).verify_directly_issued_by(after)


def test_a_damaged_authority_is_told_and_nothing_is_overwritten(tmp_path: Path) -> None:
    certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    (tmp_path / "ca-key.pem").write_bytes(b"rubbish")
    with pytest.raises(ConfigurationError, match="damaged"):
        certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    own_pair(tmp_path / "other")[1].replace(tmp_path / "ca-key.pem")
    with pytest.raises(ConfigurationError, match="do not belong together"):
        certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)


def test_a_crash_between_key_and_certificate_of_the_authority_heals(tmp_path: Path) -> None:
    certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    (tmp_path / "ca.pem").unlink()
    path = certificate_authority.ensure_server_certificate(tmp_path, NAMES, NOW)
    leaf_in(path).verify_directly_issued_by(leaf_in(tmp_path / "ca.pem"))


def test_the_announced_address_and_the_host_are_in_the_certificate(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, address="tse.shop.example", bind="127.0.0.1,::")
    assert {"localhost", "127.0.0.1", "::1", "tse.shop.example"} <= tls.host_names(settings)
    assert "::" not in tls.host_names(settings)


def test_a_customers_certificate_is_used(tmp_path: Path) -> None:
    chain, key = own_pair(tmp_path / "own")
    settings = settings_for(tmp_path, tls_certificate=chain, tls_key=key)
    tls.server_context(settings)
    assert tls.fingerprint(settings).replace(":", "") == leaf_in(chain).fingerprint(hashes.SHA256()).hex().upper()
    assert not (tmp_path / "state").exists()


def test_a_customers_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    chain, key = own_pair(tmp_path / "own")
    other = own_pair(tmp_path / "other")[1]
    old = own_pair(tmp_path / "old", days=-2)
    locked = own_pair(tmp_path / "locked", password=b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"\xff\x00")
    assert "key values mismatch" in refused(tmp_path, chain, other)
    assert "expired on" in refused(tmp_path, *old)
    assert f"{locked[1]} cannot be used" in refused(tmp_path, *locked)
    assert "is not a PEM certificate" in refused(tmp_path, rubbish, key)
    assert f"{rubbish} cannot be used" in refused(tmp_path, chain, rubbish)
    assert "cannot be read: No such file" in refused(tmp_path, tmp_path / "none", key)
    assert "No such file" in refused(tmp_path, chain, tmp_path / "none")


async def fingerprint_of(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


async def test_the_gateway_is_reached_with_its_own_authority_only(served: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=tls.client_context(served.settings))
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", served.port, ssl=ssl.create_default_context())


async def test_the_gateway_is_reached_with_a_customers_certificate_too(tmp_path: Path) -> None:
    chain, key = own_pair(tmp_path / "own")
    settings = settings_for(tmp_path, tls_certificate=chain, tls_key=key)
    async with serve(settings) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=tls.client_context(settings))
        writer.close()
        await writer.wait_closed()


def test_without_a_gateway_there_is_nothing_to_trust(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        tls.client_context(settings_for(tmp_path))


async def test_changed_files_are_used_by_the_next_handshake(tmp_path: Path) -> None:
    chain, key = own_pair(tmp_path / "own")
    settings = settings_for(tmp_path, tls_certificate=chain, tls_key=key)
    context = tls.server_context(settings)
    renewal = tls.Renewal(settings, context)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    first = await fingerprint_of(port)
    assert not renewal.check()
    own_pair(tmp_path / "own")
    assert renewal.check()
    second = await fingerprint_of(port)
    assert second != first
    assert second == leaf_in(chain).public_bytes(serialization.Encoding.DER)
    server.close()
    await server.wait_closed()


def test_bad_new_files_leave_the_old_certificate_in_use_and_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain, key = own_pair(tmp_path / "own")
    settings = settings_for(tmp_path, tls_certificate=chain, tls_key=key)
    renewal = tls.Renewal(settings, tls.server_context(settings))
    good = key.read_bytes()
    key.write_bytes(b"rubbish")
    assert not renewal.check()
    assert not renewal.check()
    key.unlink()
    assert not renewal.check()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    key.write_bytes(good)
    assert renewal.check()


def test_a_made_certificate_is_renewed_while_the_gateway_runs(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    renewal = tls.Renewal(settings, tls.server_context(settings))
    before = tls.fingerprint(settings)
    (tmp_path / "state" / "tls" / "server.pem").unlink()
    assert renewal.check()
    assert tls.fingerprint(settings) != before


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_is_resumed(served: Served, version: ssl.TLSVersion) -> None:
    context = tls.client_context(served.settings)
    context.minimum_version = context.maximum_version = version
    sessions: list[ssl.SSLSession | None] = []
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", served.port)) as plain,
            await asyncio.to_thread(context.wrap_socket, plain, session=sessions[-1] if sessions else None) as wrapped,
        ):
            await asyncio.to_thread(_asked, wrapped)
            assert not wrapped.session_reused
            assert wrapped.session is None or not wrapped.session.has_ticket
            sessions.append(wrapped.session)


def _asked(client: ssl.SSLSocket) -> None:
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 200"
