"""How the page is sent: what a browser may do with it, and how long it may keep it."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import hdrs, web

from gateway.server.status_page import svg
from gateway.server.status_page.snapshot import Level

# Nothing but files of our own, no script or style within the document, no other site around it.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), clipboard-write=(self)",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page; `tag` changes with its content."""

    content: bytes
    media: str
    tag: str


def files() -> dict[str, File]:
    """All files beside the document, by name."""
    folder = resources.files("gateway.server.status_page") / "static"
    found = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
    icons = {f"{level}.svg": svg.icon(level).encode() for level in Level}
    return {name: _file(name, content) for name, content in (found | icons).items()}


def of_file(file: File, request: web.Request) -> web.Response:
    """The file, or that the browser has it already."""
    headers = {**SECURITY, hdrs.ETAG: f'"{file.tag}"', hdrs.CACHE_CONTROL: "no-cache"}
    if file.tag in {tag.value for tag in request.if_none_match or ()}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.content, content_type=file.media, charset="utf-8", headers=headers)


def of_document(text: str, language: str) -> web.Response:
    """A document that is never kept."""
    headers = {
        **SECURITY,
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_LANGUAGE: language,
        hdrs.VARY: "Accept-Language, Cookie",
    }
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)


def elsewhere(path: str) -> web.Response:
    """See there; a reload does not send the form again."""
    return web.Response(status=303, headers={**SECURITY, hdrs.LOCATION: path, hdrs.CACHE_CONTROL: "no-store"})


def _file(name: str, content: bytes) -> File:
    return File(content, _TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:16])
