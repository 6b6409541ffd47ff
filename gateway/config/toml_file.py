"""The configuration file, read with the standard library alone: the health check has to start fast."""

from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of


def read_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file at `path` holds.

    Raises:
        ConfigurationError: it cannot be read or is not TOML; the message names the line, never a value.
    """
    import tomllib  # late, since most gateways have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = Text("cannot be read: {reason}", "lässt sich nicht lesen: {reason}").filled(reason=reason_of(error))
    except UnicodeDecodeError:
        problem = Text("cannot be read: it is not UTF-8 text", "lässt sich nicht lesen: kein Text in UTF-8")
    except RecursionError:
        problem = Text("is not valid TOML: it is nested too deeply", "ist kein gültiges TOML: zu tief geschachtelt")
    except tomllib.TOMLDecodeError as error:
        problem = Text("is not valid TOML: {error}", "ist kein gültiges TOML: {error}").filled(error=error)
    except ValueError:  # what Python refuses to convert: thousands of digits, a path with NUL
        problem = Text(
            "cannot be read: a number in it, or its own name, is no possible one",
            "lässt sich nicht lesen: eine Zahl darin, oder ihr eigener Name, ist unmöglich",
        )
    raise ConfigurationError(
        Text("configuration file {path} {problem}", "die Konfigurationsdatei {path} {problem}"),
        path=path,
        problem=problem,
    )
