"""Mail addresses and mail servers in settings."""

import re
from email.headerregistry import Address
from typing import NamedTuple

from gateway.errors import UnfitValue
from gateway.i18n.text import Text

_NO_SERVER = Text(
    "should be host or host:port, such as mail.shop.example:587",
    "sollte Host oder Host:Port sein, etwa mail.shop.example:587",
)
_NO_ADDRESS = Text(
    "should be mail addresses such as tse@shop.example", "sollte aus Mailadressen wie tse@shop.example bestehen"
)
_SUBMISSION, _SUBMISSION_BY_TLS = 587, 465  # RFC 8314
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class MailServer(NamedTuple):
    """Where mails are handed in."""

    host: str
    port: int

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS from the first byte on."""
        return self.port == _SUBMISSION_BY_TLS


def mail_server(text: str) -> MailServer:
    """Return the server in `host` or `host:port`; an IPv6 address stands in brackets.

    Raises:
        ValueError: it is neither.
    """
    host, port = text, ""
    if not text.endswith("]") and ":" in text:
        host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or (port and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise UnfitValue(_NO_SERVER)
    return MailServer(host.strip("[]"), int(port) if port else _SUBMISSION)


def checked_address(text: str) -> str:
    """Return `text` if it is a mail address.

    Raises:
        ValueError: it is none.
    """
    try:
        found = Address(addr_spec=text)
    except Exception:  # noqa: BLE001 (the parser raises what it likes)
        found = None
    if found is None or not found.username or "." not in found.domain or not text.isascii() or not text.isprintable():
        raise UnfitValue(_NO_ADDRESS)
    return text
