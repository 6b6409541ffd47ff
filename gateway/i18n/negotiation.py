"""The language a reader wants: by option, variable, cookie, the browser's Accept-Language, or the locale."""

from collections.abc import Mapping, Sequence

from gateway.i18n.text import LANGUAGES, Language

VARIABLE = "GATEWAY_LANGUAGE"
_OPTION = "--language"
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts (POSIX, 8.2)


def named(value: str) -> Language | None:
    """Return the language whose code is `value`; None for anything else."""
    return next((language for language in LANGUAGES if language == value), None)


def from_accept_language(header: str, default: Language) -> Language:
    """Return the language that an Accept-Language header (RFC 9110, 12.5.4) ranks highest; `default` if none."""
    best, best_quality = default, 0.0
    for choice in header.lower().split(","):
        tag, _, parameter = choice.partition(";")
        language, quality = named(tag.strip().partition("-")[0]), _quality(parameter)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


def from_locale(environment: Mapping[str, str]) -> Language:
    """Return German for a German locale in the environment's variables, else English."""
    locale = next((environment[name] for name in _LOCALE_VARIABLES if environment.get(name)), "")
    return "de" if locale.lower().startswith("de") else "en"


def from_command_line(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """Return the language of a command: of its option, which may stand anywhere, of the variable, or of the locale.

    It is needed before the arguments are parsed, for the help and for what is wrong with them.
    """
    chosen = named(environment.get(VARIABLE, "")) or from_locale(environment)
    for at, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        if option == _OPTION:
            chosen = named(value or "".join(arguments[at + 1 : at + 2])) or chosen
    return chosen


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
