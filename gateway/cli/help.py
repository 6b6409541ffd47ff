"""The help of the commands in both languages: docstrings, options, what typer adds, what it says of wrong usage."""

import copy
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer import core

from gateway.i18n.negotiation import from_command_line
from gateway.i18n.text import Language, Text

_BETWEEN = "\x1f"
_INVALID = "Invalid value"
_GERMAN_PART = "Deutsch: "
_EXAMPLE = "Example: "
_EXAMPLE_IN = Text("Example: {line}", "Beispiel: {line}")
_USAGE = Text("Usage: ", "Aufruf: ")
_TRY = Text("Try '{command} --help' for help.", "Hilfe zeigt '{command} --help'.")
_ERROR = Text("Error: {problem}", "Fehler: {problem}")
_ABORTED = Text("Aborted.", "Abgebrochen.")
_OPTIONS, _COMMAND = Text("[OPTIONS]", "[OPTIONEN]"), Text("COMMAND [ARGS]...", "BEFEHL [ARGUMENTE]...")
_OPTIONS_OF_TYPER = {
    text.en: text
    for text in (
        Text("Show this message and exit.", "Diese Hilfe zeigen."),
        Text("Install completion for the current shell.", "Vervollständigung in dieser Shell einrichten."),
        Text(
            "Show completion for the current shell, to copy it or customize the installation.",
            "Vervollständigung für diese Shell ausgeben, zum Kopieren oder Anpassen.",
        ),
    )
}
# What typer passes through gettext.
_TYPER = {
    text.en: text
    for text in (
        Text("Arguments", "Argumente"),
        Text("Options", "Optionen"),
        Text("Commands", "Befehle"),
        Text("required", "nötig"),
        Text("(dynamic)", "(wird ermittelt)"),
        Text("default: {default}", "Vorgabe: {default}"),
        Text("env var: {var}", "Umgebungsvariable: {var}"),
    )
}
# What typer says of wrong usage, always in English; the placeholders stand for what the user gave.
_PROBLEMS = (
    Text("Missing command.", "Es fehlt ein Befehl."),
    Text("No such command {name}.{rest}", "Den Befehl {name} gibt es nicht.{rest}"),
    Text("No such option: {name} (Possible options: {near})", "Die Option {name} gibt es nicht (vielleicht: {near})"),
    Text("No such option: {name}", "Die Option {name} gibt es nicht"),
    Text("Got unexpected extra argument(s) ({given})", "Zu viele Argumente ({given})"),
    Text("Missing argument {name}.{rest}", "Es fehlt das Argument {name}.{rest}"),
    Text("Missing option {name}.{rest}", "Es fehlt die Option {name}.{rest}"),
    Text("Option {name} requires an argument.", "Die Option {name} braucht einen Wert."),
    Text("Option {name} does not take a value.", "Die Option {name} nimmt keinen Wert."),
    Text("Invalid value: {problem}", "Falscher Wert: {problem}"),
    Text("Invalid value for {name}: {problem}", "Falscher Wert für {name}: {problem}"),
)
_VALUES = (
    Text("Input should be a valid integer, unable to parse string as an integer", "es muss eine ganze Zahl sein"),
    Text("Input should be a valid number, unable to parse string as a number", "es muss eine Zahl sein"),
    Text("Input should be greater than or equal to {least}", "es muss mindestens {least} sein"),
    Text("Input should be less than or equal to {most}", "es darf höchstens {most} sein"),
    Text("{value} is not one of {choices}.", "{value} ist nichts von {choices}."),
)


def both(en: str, de: str) -> str:
    """Return a help text in both languages as one that typer keeps; `Program` shows the part that is wanted."""
    return f"{en}{_BETWEEN}{de}"


def spoken(context: typer.Context) -> Language:
    """Return the language of a call of the program."""
    program = context.find_root().command
    return program.language if isinstance(program, Program) else "en"


class Program(core.TyperGroup):
    """The group of all commands. It speaks the language of the command line: help, wrong usage, the end by Ctrl-C."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for own in (parameter for parameter in self.params if parameter.name == "language"):
            for command in _commands(self):
                if command is not self:
                    command.params.append(copy.copy(own))
                    command.params[-1].expose_value = False

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **options: Any) -> Any:  # type: ignore[override]
        """Run the command that the arguments name, and end the process with its exit status."""
        self._speak(from_command_line(sys.argv[1:] if args is None else list(args), os.environ))
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        try:
            status = super().main(args, standalone_mode=False, **options)
        except typer.TyperException as error:
            self._tell(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            typer.echo(f"\n{_ABORTED.in_language(self.language)}", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)

    def _speak(self, language: Language) -> None:
        self.language = language
        # Typer has no other way to translate what it adds to the help than a catalogue of gettext.
        core._ = lambda text: _TYPER[text].template(language) if text in _TYPER else text  # type: ignore[assignment,attr-defined]
        for command in _commands(self):
            _translate(command, language)

    def _tell(self, error: typer.TyperException) -> None:
        context, message = getattr(error, "ctx", None), error.format_message()
        if context is None:
            typer.echo(self._said(_ERROR, problem=_problem(message, self.language)), err=True)
        elif message == context.get_help():  # of a group without a command
            typer.echo(message, err=True)
        else:
            hint = self._said(_TRY, command=context.command_path)
            problem = self._said(_ERROR, problem=_problem(message, self.language))
            typer.echo(f"{context.get_usage()}\n{hint}\n\n{problem}", err=True)

    def _said(self, text: Text, **values: object) -> str:
        return text.in_language(self.language, **values)


def _commands(group: Any) -> Iterator[Any]:
    yield group
    for command in getattr(group, "commands", {}).values():
        yield from _commands(command)


def _translate(command: Any, language: Language) -> None:
    """Put the language's help in the place of both, at a command that was made for this call only."""
    command.help = _docstring(command.help or "", language)
    command.epilog = _part(command.epilog or "", language)
    command.options_metavar = _OPTIONS.template(language)
    if hasattr(command, "subcommand_metavar"):
        command.subcommand_metavar = _COMMAND.template(language)
    own_help = command.get_help_option(typer.Context(command))
    for parameter in (*command.params, own_help):
        parameter.help = _part(parameter.help or "", language)

    def format_usage(context: typer.Context, formatter: Any) -> None:
        pieces = " ".join(command.collect_usage_pieces(context))
        formatter.write_usage(context.command_path, pieces, _USAGE.template(language))

    command.format_usage = format_usage


def _part(help_text: str, language: Language) -> str:
    if help_text in _OPTIONS_OF_TYPER:
        return _OPTIONS_OF_TYPER[help_text].template(language)
    english, _, german = help_text.partition(_BETWEEN)
    return Text(english, german or english).template(language)


def _docstring(text: str, language: Language) -> str:
    """Return the paragraphs of a docstring in a language, its example behind them."""
    if _BETWEEN in text:
        return _part(text, language)
    english, _, german = text.partition(_GERMAN_PART)
    paragraphs = english.strip().split("\n\n")
    examples = [part.removeprefix(_EXAMPLE) for part in paragraphs if part.startswith(_EXAMPLE)]
    texts = [part for part in paragraphs if not part.startswith(_EXAMPLE)]
    told = Text("\n\n".join(texts), german or english).template(language)
    return "\n\n".join([told, *(_EXAMPLE_IN.in_language(language, line=line) for line in examples)])


def _problem(message: str, language: Language) -> str:
    """Return what typer says is wrong, in a language; what it says of a value is part of it."""
    if _BETWEEN in message and not message.startswith(_INVALID):
        return _part(message, language)
    for text in (*_PROBLEMS, *_VALUES):
        form = re.escape(text.en).replace(r"\{", "{").replace(r"\}", "}")
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>.*?)", form), message, re.DOTALL)
        if found is not None:
            values = found.groupdict()
            if "problem" in values:
                values["problem"] = _problem(values["problem"], language)
            return text.in_language(language, **values)
    return message
