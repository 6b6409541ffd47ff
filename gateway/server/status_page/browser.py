"""What a browser sends: the language that it wants, where a request comes from, the fields of a form."""

from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from gateway.errors import BadRequest
from gateway.i18n.locales import Locale
from gateway.i18n.negotiation import from_accept_language, named
from gateway.i18n.text import Text
from gateway.server.http import bodies

LANGUAGE_COOKIE = "tse-gateway-language"
_FORM = "application/x-www-form-urlencoded"


def locale_of(request: web.Request) -> Locale:
    """Return the language of the cookie, else that of the browser."""
    chosen = named(request.cookies.get(LANGUAGE_COOKIE, ""))
    return Locale(chosen or from_accept_language(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), "de"))


def is_same_origin(request: web.Request) -> bool:
    """Return whether no other site made the request; SameSite of the cookie is a second check."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:  # Origin may be missing then, since the page sends no referrer
        return site in {"none", "same-origin"}
    return request.headers.get(hdrs.ORIGIN) in {None, f"https://{request.host}"}


async def form_of(request: web.Request, *, longest: int = 2048, most_fields: int = 16) -> dict[str, str]:
    """Return the fields of a form of this page that are not empty, of at most `longest` bytes.

    What is no UTF-8 in them is replaced, as browsers do.

    Raises:
        BadRequest: another site sent it, or it has too many fields.
        HTTPUnsupportedMediaType: it is none as browsers send it.
    """
    if not is_same_origin(request):
        raise BadRequest(
            Text(
                "this form is taken from the status page of this gateway only",
                "dieses Formular wird nur von der Statusseite dieses Gateways angenommen",
            )
        )
    if request.content_type != _FORM:
        raise web.HTTPUnsupportedMediaType
    # Not aiohttp's parser: it believes charsets and multipart headers of whoever asks. Browsers send UTF-8 (WHATWG).
    async with bodies.received(request, longest) as body:
        try:
            return dict(parse_qsl(body.decode("utf-8", errors="replace"), max_num_fields=most_fields))
        except ValueError:
            raise BadRequest(
                Text("a form has at most {most} fields", "ein Formular hat höchstens {most} Felder"), most=most_fields
            ) from None


def port_of(request: web.Request) -> int:
    """Return the port that the request came to; 0 if it came by a local socket."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return int(name[1]) if isinstance(name, tuple) else 0
