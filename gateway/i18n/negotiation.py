"""German or English, for what people read."""

from typing import Literal, get_args

from aiohttp import hdrs, web

Language = Literal["de", "en"]
_KNOWN: tuple[Language, ...] = get_args(Language)


def language_of(request: web.Request, default: Language) -> Language:
    """What the browser likes best of what there is (`Accept-Language`)."""
    best, liked = default, 0.0
    for choice in request.headers.get(hdrs.ACCEPT_LANGUAGE, "").lower().split(","):
        tag, _, parameter = choice.partition(";")
        quality = _quality(parameter)
        for known in _KNOWN:
            if tag.strip().partition("-")[0] == known and quality > liked:
                best, liked = known, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
