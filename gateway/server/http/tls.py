"""TLS 1.2 and 1.3 for tills and scrapers, with the certificate of our own authority or the customer's."""

import hashlib
import logging
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gateway.config.settings import Settings
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, literal, reason_of
from gateway.server.http import certificate_authority
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

# Forward secrecy only; AES-CBC is left out, every TLS 1.2 library has AES-GCM.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"


def server_context(settings: Settings) -> ssl.SSLContext:
    """Return the context to listen with.

    Raises:
        ConfigurationError: certificate or key cannot be used.
    """
    chain, key = _identity(settings)
    if settings.tls_certificate is None:
        _tell_if_nameless(settings)
    context = _context(chain, key)
    _take_client_certificates(context, settings)
    return context


def client_context(settings: Settings) -> ssl.SSLContext:
    """Return the context to reach this gateway with; it trusts exactly the certificate that the settings name."""
    trusted = trusted_certificate(settings)
    context = ssl.create_default_context()
    # The host name in a customer's certificate is seldom 127.0.0.1.
    context.check_hostname = False
    if settings.tls_certificate is not None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(trusted)
    except OSError as error:
        raise ConfigurationError(
            Text("{trusted} cannot be used: {reason}", "{trusted} ist nicht zu gebrauchen: {reason}"),
            trusted=trusted,
            reason=_reason(error),
        ) from None
    return context


def trusted_certificate(settings: Settings) -> Path:
    """Return the path of the certificate that clients of this gateway trust."""
    return settings.tls_certificate or certificate_authority.ca_path(_directory(settings))


def fingerprint(settings: Settings) -> str:
    """Return the SHA-256 of the server certificate in the form that browsers show."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first_certificate(_identity(settings)[0]))).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def expiry(settings: Settings) -> float | None:
    """Return when the server certificate ends, in Unix seconds; `None` if it cannot be read."""
    try:
        pem = _first_certificate(settings.tls_certificate or certificate_authority.server_path(_directory(settings)))
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()
    except (ConfigurationError, ValueError):
        return None


class Renewal:
    """Keeps a context up to date with its certificate files; new handshakes use the new certificate."""

    def __init__(self, settings: Settings, context: ssl.SSLContext) -> None:
        self._settings = settings
        self._context = context
        self._seen = self._stamps()
        self._trouble = ""

    def check(self) -> bool:
        """Load changed files and return whether there were any; files that cannot be used change nothing."""
        try:
            chain, key = _identity(self._settings)
            stamp = self._stamps()
            if stamp == self._seen:
                return False
            tried = _context(chain, key)  # a context of its own, so that bad files leave the living one alone
            _take_client_certificates(tried, self._settings)
        except ConfigurationError as error:
            if str(error) != self._trouble:
                log.error("the certificate stays as it was: %s", error, extra=event(Event.TLS_REFUSED))  # noqa: TRY400 (told by it)
            self._trouble = str(error)
            return False
        self._context.load_cert_chain(chain, key)
        _take_client_certificates(self._context, self._settings)
        self._seen, self._trouble = stamp, ""
        log.info("the server has a new certificate: %s", fingerprint(self._settings), extra=event(Event.TLS_RENEWED))
        return True

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        chain, key = _identity(self._settings)
        return _stamp(chain, key, self._settings.tls_client_ca, self._settings.tls_client_crl)


def host_names(settings: Settings) -> frozenset[str]:
    """Return the names and addresses by which clients may call this host."""
    bound = {str(address) for address in settings.bind if not address.is_unspecified}
    return frozenset({"localhost", "127.0.0.1", "::1", settings.address} | bound | _own_name())


def _identity(settings: Settings) -> tuple[Path, Path | None]:
    if settings.tls_certificate is not None:
        return settings.tls_certificate, settings.tls_key
    return certificate_authority.ensure_server_certificate(_directory(settings), host_names(settings)), None


def _tell_if_nameless(settings: Settings) -> None:
    """Tell it if the own authority may not name this gateway as tills do: it was made when that name was another."""
    path = certificate_authority.ca_path(_directory(settings))
    authority = x509.load_pem_x509_certificate(path.read_bytes())
    if not certificate_authority.permitted_names(authority, frozenset({settings.address})):
        log.warning(
            "the authority in %s may not name %s, so programs that check certificates refuse that name. To change it, "
            "remove ca.pem and ca-key.pem there, start again, and let these programs trust the new ca.pem",
            path.parent,
            settings.address,
        )


def _take_client_certificates(context: ssl.SSLContext, settings: Settings) -> None:
    """Take client certificates of the CA of the settings. What a context knows of a CA it keeps: others are added."""
    if settings.tls_client_ca is None:
        return
    context.verify_mode = ssl.CERT_OPTIONAL  # tills have none; whose token needs one is judged with the request
    for path in (settings.tls_client_ca, settings.tls_client_crl):
        try:
            if path is not None:
                context.load_verify_locations(path)
        except OSError as error:
            raise ConfigurationError(
                Text("{path} cannot be used: {reason}", "{path} ist nicht zu gebrauchen: {reason}"),
                path=path,
                reason=_reason(error),
            ) from None
    if settings.tls_client_crl is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _stamp(*paths: Path | None) -> tuple[tuple[int, int, int], ...]:
    try:
        found = [path.stat() for path in paths if path is not None]
    except OSError as error:
        raise ConfigurationError(
            Text("{file} cannot be read: {reason}", "{file} lässt sich nicht lesen: {reason}"),
            file=error.filename,
            reason=reason_of(error),
        ) from None
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in found)


def _context(chain: Path, key: Path | None) -> ssl.SSLContext:
    _refuse_expired(chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # The key of tickets lives as long as the process; who gets it reads all that was ever sent under one. Tills keep
    # their connection and hardly use any.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Never ask for a password on the terminal: an encrypted key is an error.
        context.load_cert_chain(chain, key, password="")
    except OSError as error:
        raise ConfigurationError(
            Text(
                "certificate {chain} and key {key} cannot be used: {reason}",
                "das Zertifikat {chain} und der Schlüssel {key} sind nicht zu gebrauchen: {reason}",
            ),
            chain=chain,
            key=key or chain,
            reason=_reason(error),
        ) from None
    return context


def _refuse_expired(chain: Path) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(_first_certificate(chain).encode())
    except ValueError:
        raise ConfigurationError(
            Text("certificate {chain} is not a PEM certificate", "das Zertifikat {chain} ist kein PEM-Zertifikat"),
            chain=chain,
        ) from None
    until = certificate.not_valid_after_utc
    if until <= datetime.now(UTC):
        raise ConfigurationError(
            Text(
                "certificate {chain} expired on {until:%Y-%m-%d}: replace it",
                "das Zertifikat {chain} ist am {until:%d.%m.%Y} abgelaufen: es ersetzen",
            ),
            chain=chain,
            until=until,
        )


def _first_certificate(chain: Path) -> str:
    try:
        text = chain.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigurationError(
            Text(
                "certificate {chain} cannot be read: {reason}",
                "das Zertifikat {chain} lässt sich nicht lesen: {reason}",
            ),
            chain=chain,
            reason=reason_of(error),
        ) from None
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    return text[begin : end + len("-----END CERTIFICATE-----\n")] if 0 <= begin < end else ""


def _directory(settings: Settings) -> Path:
    return settings.state_dir / "tls"


def _own_name() -> set[str]:
    name = socket.gethostname()
    return {name} if name.isascii() and name else set()


def _reason(error: OSError) -> Text:
    # OpenSSL's messages name its source lines; its reason is what people can use.
    if isinstance(error, ssl.SSLError) and error.reason:
        return literal(*[error.reason.replace("_", " ").lower()] * 2)
    return reason_of(error)
