"""The files of the page, and the headers that say what a browser may do with them and how long it may keep them."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import hdrs, web

from gateway.i18n.text import Language
from gateway.server.status_page import svg
from gateway.server.status_page.snapshot import StatusLevel

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
class Asset:
    """A file of the page; `tag` changes with its content (an ETag)."""

    content: bytes
    media: str
    tag: str


def assets() -> dict[str, Asset]:
    """Return all files beside the document, by name."""
    icons = {f"{level}.svg": svg.icon(level).encode() for level in StatusLevel}
    return files("gateway.server.status_page") | {name: _asset(name, content) for name, content in icons.items()}


def files(package: str) -> dict[str, Asset]:
    """Return the files in the folder `static` of `package`, by name."""
    folder = resources.files(package) / "static"
    return {item.name: _asset(item.name, item.read_bytes()) for item in folder.iterdir() if item.is_file()}


def send_asset(asset: Asset, request: web.Request) -> web.Response:
    """Return the file, or 304 if the browser has it already."""
    headers = {**SECURITY, hdrs.ETAG: f'"{asset.tag}"', hdrs.CACHE_CONTROL: "no-cache"}
    if asset.tag in {tag.value for tag in request.if_none_match or ()}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.content, content_type=asset.media, charset="utf-8", headers=headers)


def send_document(text: str, language: Language) -> web.Response:
    """Return a document that no browser keeps."""
    headers = {
        **SECURITY,
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_LANGUAGE: language,
        hdrs.VARY: "Accept-Language, Cookie",
    }
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)


def redirect(path: str) -> web.Response:
    """Return 303 See Other, so that a reload does not send the form again."""
    return web.Response(status=303, headers={**SECURITY, hdrs.LOCATION: path, hdrs.CACHE_CONTROL: "no-store"})


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, _TYPES[name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:16])
