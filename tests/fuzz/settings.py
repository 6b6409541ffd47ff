"""Settings from a TOML file and from the environment; the first byte chooses. Nothing shows a secret."""

from gateway.config import settings
from gateway.errors import ConfigurationError
from tests.fuzz.targets import scratch

_FILE = scratch() / "gateway.toml"
_SECRET = "s3cret-Value-0815"


def run(data: bytes) -> None:
    """Load `data`, beside a secret."""
    if not data:
        return
    environ = {"GATEWAY_ADDRESS": "127.0.0.1"}
    if data[0] % 2:
        _FILE.write_bytes(f'api_token = "{_SECRET}"\n'.encode() + data[1:])
    else:
        _FILE.write_bytes(b"")
        environ["GATEWAY_API_TOKEN"] = _SECRET
        for line in data[1:].decode(errors="surrogateescape").replace("\0", "").split("\n"):
            name, _, value = line.partition("=")
            environ["GATEWAY_" + name] = value
    for name in [name for name in environ if name.endswith(("_FILE", "_CONFIG"))]:
        del environ[name]  # would read files of this machine
    try:
        shown = repr(settings.effective(settings.load(environ, _FILE)))
    except ConfigurationError as error:
        shown = str(error)
    assert _SECRET not in shown or _SECRET.encode() in data
