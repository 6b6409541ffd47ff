"""The configuration file, read with the standard library alone: the health check has to start fast."""

import tomllib
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError


def read_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file at `path` holds.

    Raises:
        ConfigurationError: it cannot be read or is not TOML; the message names the line, never a value.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        problem = "cannot be read: it is not UTF-8 text"
    except RecursionError:
        problem = "is not valid TOML: it is nested too deeply"
    except tomllib.TOMLDecodeError as error:
        problem = f"is not valid TOML: {error}"
    except ValueError:  # what Python refuses to convert: thousands of digits, a path with NUL
        problem = "cannot be read: a number in it, or its own name, is no possible one"
    raise ConfigurationError(f"configuration file {path} {problem}")
