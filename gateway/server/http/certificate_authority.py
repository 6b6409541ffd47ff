"""The gateway's own certificate authority, and the server certificate that it issues.

state_dir/tls/ca.pem       what clients may trust, kept for 20 years
state_dir/tls/ca-key.pem   its key
state_dir/tls/server.pem   key and chain of the server in one file, so that they cannot part

Whoever trusts the authority trusts it for servers with the names of this gateway or in private networks, and for no
others (name constraints, RFC 5280, 4.2.1.10). Those that version 0.2.0 made have no constraints, and are kept.
"""

import logging
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.storage.atomic import read_private, write_private

log = logging.getLogger(__name__)

_CA_LIFE = timedelta(days=20 * 365)
_LEAF_LIFE = timedelta(days=820)  # some clients refuse more than 825 days
_BEFORE = timedelta(days=1)  # clocks of tills may lag behind
_RENEW = timedelta(days=30)

_PRIVATE = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "100.64.0.0/10",  # behind a provider's NAT, and of some private networks
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)

Key = ec.EllipticCurvePrivateKey
_Name = x509.DNSName | x509.IPAddress


def ensure_server_certificate(directory: Path, names: frozenset[str], now: datetime | None = None) -> Path:
    """Return the PEM file with key and chain of a server called by those of `names` that its authority permits.

    It is issued anew when due.

    Raises:
        ConfigurationError: the files in `directory` cannot be used.
    """
    moment = now or datetime.now(UTC)
    authority = _authority(directory, names, moment)
    path, permitted = server_path(directory), permitted_names(authority[1], names)
    if not _still_good(read_private(path), authority[1], permitted, moment):
        write_private(path, _issued(authority, permitted, moment))
    return path


def permitted_names(authority: x509.Certificate, names: frozenset[str]) -> frozenset[str]:
    """Return those of `names` for which `authority` may issue certificates."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return names
    permitted = [subtree.value for subtree in constraints.permitted_subtrees or ()]
    return frozenset(name for name in names if any(_lies_in(_alternative(name), subtree) for subtree in permitted))


def ca_path(directory: Path) -> Path:
    """Return the path of the certificate that clients may trust."""
    return directory / "ca.pem"


def server_path(directory: Path) -> Path:
    """Return the path of key and chain of the server."""
    return directory / "server.pem"


def _authority(directory: Path, names: frozenset[str], now: datetime) -> tuple[Key, x509.Certificate]:
    key_path, path = directory / "ca-key.pem", ca_path(directory)
    stored_key, stored = read_private(key_path), read_private(path)
    if stored is None:
        return _new_authority(key_path, path, names, now)
    try:
        certificate = x509.load_pem_x509_certificate(stored)
        loaded = serialization.load_pem_private_key(stored_key or b"", None)
    except ValueError:
        raise ConfigurationError(
            Text(
                "{path} and {key_path} are damaged: restore both, or remove both",
                "{path} und {key_path} sind beschädigt: beide zurückholen, oder beide löschen",
            ),
            path=path,
            key_path=key_path,
        ) from None
    if not isinstance(loaded, Key) or loaded.public_key() != certificate.public_key():
        raise ConfigurationError(
            Text(
                "{path} and {key_path} do not belong together: restore both, or remove both",
                "{path} und {key_path} gehören nicht zusammen: beide zurückholen, oder beide löschen",
            ),
            path=path,
            key_path=key_path,
        )
    if certificate.not_valid_after_utc - now < _RENEW:
        log.warning("%s expires and is made anew: clients that check it must trust the new one", path)
        return _new_authority(key_path, path, names, now)
    return loaded, certificate


def _new_authority(key_path: Path, path: Path, names: frozenset[str], now: datetime) -> tuple[Key, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, names, now)
    # A crash between the two must leave no certificate with another one's key.
    path.unlink(missing_ok=True)
    write_private(key_path, _key_pem(key))
    write_private(path, _pem(certificate))
    return key, certificate


def _self_signed(key: Key, names: frozenset[str], now: datetime) -> x509.Certificate:
    # The number tells authorities apart that a client may have in its store at the same time.
    name = _name(f"TSE Gateway CA {secrets.token_hex(4)}")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(key, name, name, now, now + _CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.NameConstraints(_subtrees(names), None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _subtrees(names: frozenset[str]) -> list[x509.GeneralName]:
    """Return what an authority may name: addresses of private networks, and those of `names` that are none."""
    found: list[x509.GeneralName] = [x509.IPAddress(network) for network in _PRIVATE]
    for name in map(_alternative, sorted(names)):
        if isinstance(name, x509.DNSName):
            found.append(name)
        elif not any(_lies_in(name, network) for network in _PRIVATE):
            found.append(x509.IPAddress(ip_network(name.value)))
    return found


def _lies_in(name: _Name, subtree: object) -> bool:
    if isinstance(name, x509.IPAddress):
        return isinstance(subtree, IPv4Network | IPv6Network) and name.value in subtree
    return isinstance(subtree, str) and f".{name.value}".lower().endswith(f".{subtree}".lower())


def _issued(authority: tuple[Key, x509.Certificate], names: frozenset[str], now: datetime) -> bytes:
    ca_key, ca = authority
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + _LEAF_LIFE, ca.not_valid_after_utc)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = _builder(key, _name("TSE Gateway"), ca.subject, now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_alternative, sorted(names)))), critical=False)
    leaf = builder.add_extension(issuer_key, critical=False).sign(ca_key, hashes.SHA256())
    return _key_pem(key) + _pem(leaf) + _pem(ca)


def _still_good(stored: bytes | None, ca: x509.Certificate, names: frozenset[str], now: datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(stored or b"")
        key = serialization.load_pem_private_key(stored or b"", None)
        leaf.verify_directly_issued_by(ca)
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 (whatever is wrong with it, a new one is the answer)
        return False
    same_names = {str(name.value) for name in found} == {str(_alternative(name).value) for name in names}
    in_time = leaf.not_valid_before_utc <= now and leaf.not_valid_after_utc - now > _RENEW
    return same_names and in_time and key.public_key() == leaf.public_key()


def _builder(
    key: Key, subject: x509.Name, issuer: x509.Name, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> _Name:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    encoding, style = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, style, serialization.NoEncryption())
