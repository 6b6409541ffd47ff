"""Pictures in SVG: a shape for each level, dials for what runs out, bars for what fills up, a chart.

The text beside a picture says the same, except for the chart, which has a title.
"""

from collections.abc import Sequence
from typing import Literal

from gateway.server.status_page.html import HtmlElement, as_html, el
from gateway.server.status_page.snapshot import StatusLevel

# Shapes differ for those who do not see colours.
_OUTLINES = {
    StatusLevel.GOOD: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21z",
    StatusLevel.WARNING: "M10.3 2.6 1.2 18.9A2 2 0 0 0 2.9 22h18.2a2 2 0 0 0 1.7-3.1L13.7 2.6a2 2 0 0 0-3.4 0z",
    StatusLevel.BAD: "M7.7 1.5h8.6l6.2 6.2v8.6l-6.2 6.2H7.7l-6.2-6.2V7.7z",
    StatusLevel.IDLE: "M4 2h16a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2z",
}
_SIGNS = {
    StatusLevel.GOOD: "m7 12.5 3.4 3.4L17 9",
    StatusLevel.WARNING: "M12 8.5v6M12 17.8v.4",
    StatusLevel.BAD: "m8.5 8.5 7 7m0-7-7 7",
    StatusLevel.IDLE: "M8 12h8",
}
_ICON_COLOURS = {
    StatusLevel.GOOD: "#1b7a4e",
    StatusLevel.WARNING: "#c77700",
    StatusLevel.BAD: "#b3261e",
    StatusLevel.IDLE: "#5d6662",
}
_GLYPHS = {
    "locked": "M5 9.5h10v7.500H5zM7 9.500V6a3 3 0 0 1 6 0v3.500",
    "unlocked": "M5 9.5h10v7.500H5zM7 9.500V6a3 3 0 0 1 5.800-1",
    "archive": "M3.500 4h13v4h-13zM4.500 8h11v8.500h-11zM8 11h4",
    "till": "M3.500 11h13v6h-13zM5.500 11V8h9v3M12 8V3.500h3.500M7 14h6",
}
_BAR, _GAP, _HEIGHT = 8, 2, 56
_LEAST_SCALE = 10  # signatures per minute: else a single one would fill the chart


def shape(level: StatusLevel) -> HtmlElement:
    """Return the shape of a level."""
    parts = (el("path", d=_OUTLINES[level], class_="outline"), el("path", d=_SIGNS[level], class_="sign"))
    return el("svg", *parts, class_="shape", viewBox="0 0 24 24", aria_hidden="true", focusable="false")


def icon(level: StatusLevel) -> str:
    """Return the shape as a file of its own, for the browser's tab."""
    line = {"stroke_width": "2.4", "stroke_linecap": "round", "stroke_linejoin": "round"}
    sign = el("path", d=_SIGNS[level], fill="none", stroke="#fff", **line)
    outline = el("path", d=_OUTLINES[level], fill=_ICON_COLOURS[level])
    return as_html(el("svg", outline, sign, xmlns="http://www.w3.org/2000/svg", viewBox="0 0 24 24"))


def glyph(name: Literal["locked", "unlocked", "till", "archive"]) -> HtmlElement:
    """Return a small picture."""
    line = el("path", d=_GLYPHS[name])
    return el("svg", line, class_=f"glyph {name}", viewBox="0 0 20 20", aria_hidden="true", focusable="false")


def dial(left: float, level: StatusLevel) -> HtmlElement:
    """Return a dial that shows what is left of something, from 0 to 1."""
    arc = f"{100 * min(max(left, 0.0), 1.0):.1f} 100"
    place = {"cx": "18", "cy": "18", "r": "15", "pathLength": "100"}
    ring = (
        el("circle", class_="track", **place),
        el("circle", class_="arc", stroke_dasharray=arc, transform="rotate(-90 18 18)", **place),
    )
    return el("svg", *ring, class_=f"dial {level}", viewBox="0 0 36 36", aria_hidden="true", focusable="false")


def bar(used: float, level: StatusLevel) -> HtmlElement:
    """Return a bar that shows how full something is, from 0 to 1."""
    full = 100 * min(max(used, 0.0), 1.0)
    width = max(full, 0.6) if used > 0 else 0.0  # a little is not nothing
    parts = (
        el("rect", class_="track", width="100%", height="8", rx="4"),
        el("rect", class_="fill", width=f"{width:.1f}%", height="8", rx="4"),
    )
    return el("svg", *parts, class_=f"bar {level}", aria_hidden="true", focusable="false")


def chart(values: Sequence[int], title: str) -> HtmlElement:
    """Return a chart with one bar a minute, the running one at the end in another colour."""
    top = max(_LEAST_SCALE, *values)
    width = len(values) * (_BAR + _GAP) - _GAP
    columns = [_column(at, value, top) for at, value in enumerate(values)]
    parts = (
        el("path", class_="base", d=f"M0 {_HEIGHT}.5H{width}"),
        el("path", class_="past", d="".join(columns[:-1])),
        el("path", class_="now", d=columns[-1]),
    )
    view = f"0 0 {width} {_HEIGHT + 1}"
    return el("svg", *parts, class_="chart", viewBox=view, preserveAspectRatio="none", role="img", aria_label=title)


def _column(at: int, value: int, top: int) -> str:
    if not value:
        return ""
    height = max(2.0, _HEIGHT * value / top)
    return f"M{at * (_BAR + _GAP)} {_HEIGHT}v-{height:.1f}h{_BAR}v{height:.1f}z"
