"""Places that settings come from: the command line, the environment, a TOML file.

Each refuses names that are none, which pydantic-settings would ignore, and reads secrets that lie in files
of their own: beside each secret such as `api_token` there is a name `api_token_file`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.config.secret import read_secret
from gateway.config.toml_file import read_toml
from gateway.errors import ConfigurationError
from gateway.i18n.negotiation import VARIABLE as LANGUAGE
from gateway.i18n.text import NOTHING, Text, joined

PREFIX = "GATEWAY_"
CONFIG_FILE = "GATEWAY_CONFIG"
_NO_SETTINGS = frozenset({CONFIG_FILE, LANGUAGE})
_FILE = "_file"
BOTH_GIVEN = Text(
    "{first} and {second} are both given: keep one of them",
    "{first} und {second} sind beide angegeben: eines davon weglassen",
)
_HINT = Text("`tse-gateway config` shows all settings", "`tse-gateway config` zeigt alle Einstellungen")
_KUBERNETES = Text(
    "; Kubernetes sets these names for a service called gateway: use enableServiceLinks: false",
    "; Kubernetes setzt diese Namen für einen Service namens gateway: enableServiceLinks: false setzen",
)
_UNKNOWN = Text("unknown setting {name} {where}{near}", "unbekannte Einstellung {name} {where}{near}")
_DID_YOU_MEAN = Text(": did you mean {near}?", ": gemeint ist vielleicht {near}")


def setting_names(settings_cls: type[BaseSettings]) -> list[str]:
    """Return the names of all settings in lower case, those of secret files included."""
    return [*settings_cls.model_fields, *(name + _FILE for name in _secrets(settings_cls))]


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> Text:
    """Return the end of a sentence that tells which known name is most like this one; empty if none is."""
    from difflib import get_close_matches

    bare = [other.removeprefix(prefix) for other in known]  # the prefix would make all of them look alike
    nearest = get_close_matches(name.removeprefix(prefix), bare, n=1, cutoff=0.6)
    return _DID_YOU_MEAN.filled(near=prefix + nearest[0]) if nearest else NOTHING


class NamedSource(PydanticBaseSettingsSource):
    """What one place gives. `values`, and `places` where people find them, go by the name of the setting.

    `files` are those in which secrets lie. `given` goes by the names that settings have in that place: `spelled`.
    `where` completes "unknown setting X ...".

    Raises:
        ConfigurationError: a name is none, or the file of a secret cannot be read; no value is shown.
    """

    prefix = ""
    empty_is_not_set = False

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, Any], where: Text) -> None:
        super().__init__(settings_cls)
        known = {self.spelled(name): name for name in setting_names(settings_cls)}
        _refuse_unknown(sorted(set(given).difference(known)), where, known, self.prefix)
        used = [name for name, value in given.items() if not (self.empty_is_not_set and value == "")]
        self.values = {known[name]: given[name] for name in used}
        spelled = Text("{name}", "{name}") if self.prefix else Text("{name} {where}", "{name} {where}")
        self.places = {known[name]: spelled.filled(name=name, where=where) for name in used}
        self.files: dict[str, Path] = {}
        for name in _secrets(settings_cls):
            self._read_secret(name, name + _FILE)

    @classmethod
    def spelled(cls, name: str) -> str:
        """Return what the setting `name` is called in this place."""
        return name

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 (called by name)
        """Return one value, its name, and that it needs no decoding."""
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values of this place."""
        return self.values

    def _read_secret(self, name: str, file: str) -> None:
        if file not in self.values:
            return
        path, place = self.values.pop(file), self.places.pop(file)
        if name in self.values:
            raise ConfigurationError(
                BOTH_GIVEN,
                first=self.places[name],
                second=place,
            )
        try:
            self.values[name] = read_secret(str(path))
            self.files[name] = Path(path)
        except ValueError as error:
            raise ConfigurationError(Text("{place}: {error}", "{place}: {error}"), place=place, error=error) from None
        self.places[name] = place


class CommandLineSource(NamedSource):
    """Options of a command: the setting `lock_wait` is `--lock-wait`."""

    prefix = "--"

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
        given = {self.spelled(name): value for name, value in values.items()}
        super().__init__(settings_cls, given, Text("on the command line", "auf der Befehlszeile"))

    @classmethod
    def spelled(cls, name: str) -> str:
        """Return the option of a setting."""
        return cls.prefix + name.replace("_", "-")


class EnvironmentSource(NamedSource):
    """Environment variables: the setting `port` is `GATEWAY_PORT`. Compose and unit files pass unset ones as empty."""

    prefix = PREFIX
    empty_is_not_set = True

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and name not in _NO_SETTINGS}
        super().__init__(settings_cls, given, Text("in the environment", "in der Umgebung"))

    @classmethod
    def spelled(cls, name: str) -> str:
        """Return the variable of a setting."""
        return cls.prefix + name.upper()


class TomlSource(NamedSource):
    """Keys of the configuration file, if there is one."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path | None) -> None:
        super().__init__(
            settings_cls, read_toml(path) if path else {}, Text("in {path}", "in {path}").filled(path=path)
        )


def _refuse_unknown(unknown: Sequence[str], where: Text, known: Iterable[str], prefix: str) -> None:
    if unknown:
        lines = [_UNKNOWN.filled(name=name, where=where, near=did_you_mean(name, known, prefix)) for name in unknown]
        kubernetes = any(name.startswith("GATEWAY_SERVICE_") for name in unknown)
        hint = joined([_HINT, _KUBERNETES if kubernetes else NOTHING], "")
        raise ConfigurationError(joined([*lines, hint], "\n"))


def _secrets(settings_cls: type[BaseSettings]) -> list[str]:
    return [name for name, field in settings_cls.model_fields.items() if field.annotation == SecretStr | None]
