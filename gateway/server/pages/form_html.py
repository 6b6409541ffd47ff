"""Forms as HTML: fields with their labels, hints and errors, and the second step of those that are confirmed."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.server.pages.forms import SECRETS, Field, Form, Kind, Values, end_of
from gateway.server.pages.sent import Sent
from gateway.server.status_page.html import HtmlElement, el
from gateway.server.status_page.layout import card_of, quiet

TOKEN_FIELD, CONFIRM_FIELD, TYPED_FIELD = "form_token", "confirms", "serial_end"
_WORKING = Text("This is being done …", "Wird ausgeführt …")
_CANCEL = Text("Cancel", "Abbrechen")
_TYPE = Text("Last four digits of the serial number {serial}", "Letzte vier Stellen der Seriennummer {serial}")
_SURE = Text("Is this to be done?", "Soll das geschehen?")
_YES, _GIVEN = Text("yes", "ja"), Text("as typed", "wie eingegeben")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form stands: the path of its page, the token that forms of this login show, the TSE of the page."""

    locale: Locale
    path: str
    token: str = dataclasses.field(repr=False)
    serial: str = ""


def as_card(
    form: Form,
    place: Place,
    sent: Sent | None,
    *,
    values: Values,
    options: Mapping[str, Sequence[tuple[str, str]]],
    answer: Sequence[HtmlElement | None],
) -> HtmlElement:
    """Return a form in a card; `sent` is what became of it if it was sent last, `answer` what to show of that."""
    locale, marker = place.locale, marker_of(form)
    problems: Mapping[str, tuple[str, ...]] = {} if sent is None else sent.problems
    shown = {**values, **(sent.values if sent is not None and problems else {})}
    fields = [field for field in form.fields if not field.after or (sent is not None and field.after & sent.codes)]
    rows = [
        _row(
            each,
            locale,
            marker,
            value=shown.get(each.name, each.value),
            problems=problems.get(each.name, ()),
            options=options.get(each.name),
        )
        for each in fields
    ]
    of_fields = {field.name for field in fields}
    others = [text for name, texts in problems.items() if name not in of_fields for text in texts]
    done = None
    if sent is not None and not problems:
        told = locale.text(form.done, **form.words(sent.values))
        done = el("div", el("p", told), *answer, class_="done", role="status")
    return card_of(
        marker,
        locale,
        form.title,
        quiet(locale.text(form.intro)) if form.intro else None,
        done,
        _errors(others, f"{marker}-error"),
        _form(form, place, *rows, _button(form, locale, "act")),
    )


def confirmation(form: Form, place: Place, sent: Sent) -> HtmlElement:
    """Return the second step: what it leads to, and the question whether that is wanted."""
    locale, marker, typed = place.locale, marker_of(form), None
    if form.irreversible is not None:
        label = Text(_TYPE.en.format(serial=place.serial), _TYPE.de.format(serial=place.serial))
        wanted = Field(TYPED_FIELD, label, length=len(end_of(place.serial)))
        typed = _row(wanted, locale, marker, problems=sent.problems.get(TYPED_FIELD, ()))
    consequence = form.consequence or _SURE
    told = locale.text(consequence, **{"serial": place.serial, **form.words(sent.values)})
    return card_of(
        marker,
        locale,
        form.title,
        el("p", told, class_="consequence", role="alert"),
        _summary(form, locale, sent.values),
        el("p", locale.text(_SURE)),
        _form(
            form,
            place,
            el("input", type="hidden", name=CONFIRM_FIELD, value=sent.id),
            typed,
            _button(form, locale, "danger"),
            el("a", locale.text(_CANCEL), href=place.path),
        ),
    )


def marker_of(form: Form) -> str:
    """Return the id of the card that a form stands in."""
    return form.name.replace("_", "-")


def _form(form: Form, place: Place, *content: HtmlElement | None) -> HtmlElement:
    return el(
        "form",
        el("input", type="hidden", name=TOKEN_FIELD, value=place.token),
        *content,
        method="post",
        action=f"{place.path}/{form.name}",
        class_="fields",
        autocomplete="off",
    )


def _summary(form: Form, locale: Locale, values: Values) -> HtmlElement | None:
    rows = []
    for field in form.fields:
        if field.name in values and field.kind is not Kind.FIXED:
            value = ", ".join(values[field.name].splitlines())
            if field.kind is Kind.CHECK or field.kind in SECRETS:
                value = locale.text(_YES if field.kind is Kind.CHECK else _GIVEN)
            rows.append(el("div", el("dt", locale.text(field.label)), el("dd", value)))
    return el("dl", *rows, class_="rows summary") if rows else None


def _row(
    field: Field,
    locale: Locale,
    card: str,
    *,
    value: str = "",
    problems: Sequence[str] = (),
    options: Sequence[tuple[str, str]] | None = None,
) -> HtmlElement:
    if field.kind is Kind.FIXED:
        return el("input", type="hidden", name=field.name, value=value)
    marker = f"{card}-{field.name.replace('_', '-')}"
    about = [f"{marker}-hint"] if field.hint else []
    about += [f"{marker}-error"] if problems else []
    shared: dict[str, str | bool | None] = {
        "id": marker,
        "name": field.name,
        "aria_describedby": " ".join(about) or None,
        "aria_invalid": "true" if problems else None,
    }
    label = el("label", locale.text(field.label), for_=marker)
    control = _control(field, locale, value, options, shared)
    hint = el("p", locale.text(field.hint), class_="hint", id=f"{marker}-hint") if field.hint else None
    parts = (control, label) if field.kind is Kind.CHECK else (label, control)
    kind = "field check" if field.kind is Kind.CHECK else "field"
    return el("div", *parts, hint, _errors(problems, f"{marker}-error"), class_=kind)


def _control(
    field: Field,
    locale: Locale,
    value: str,
    options: Sequence[tuple[str, str]] | None,
    shared: dict[str, str | bool | None],
) -> HtmlElement:
    required = field.required and field.kind is not Kind.CHECK
    if field.kind in {Kind.CHOICE, Kind.NUMBER_CHOICE}:
        known = options if options is not None else [(name, locale.text(text)) for name, text in field.options]
        entries = (el("option", text, value=name, selected=name == value) for name, text in known)
        return el("select", *entries, **shared)
    if field.kind is Kind.LINES:
        return el("textarea", value, rows="3", required=required, **shared)
    kinds = {Kind.SECRET: "password", Kind.CHECK: "checkbox", Kind.DATE: "date", Kind.DAY: "date"}
    shown = "yes" if field.kind is Kind.CHECK else None if field.kind in SECRETS else value
    return el(
        "input",
        type=kinds.get(field.kind, "text"),
        value=shown or None,
        checked=field.kind is Kind.CHECK and bool(value),
        maxlength=None if field.length is None else str(field.length),
        inputmode="numeric" if field.kind is Kind.NUMBER else None,
        autocomplete="new-password" if field.kind is Kind.SECRET else "off",
        required=required,
        **shared,
    )


def _errors(texts: Sequence[str], marker: str) -> HtmlElement | None:
    if not texts:
        return None
    return el("div", *(el("p", text) for text in texts), class_="error", role="alert", id=marker)


def _button(form: Form, locale: Locale, kind: str) -> HtmlElement:
    return el("button", locale.text(form.button), type="submit", class_=kind, data_busy=locale.text(_WORKING))
