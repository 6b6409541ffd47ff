"""Settings that are lists of tables: other connectors, and tokens."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic import model_validator as check_model

from gateway.config.secret import read_secret
from gateway.config.sources import BOTH_GIVEN
from gateway.config.values import ConnectorUrl, FilePath, Texts, TokenName
from gateway.errors import UnfitValue
from gateway.i18n.text import Text

_TOKEN_FILE = Text("token_file: {error}", "token_file: {error}")


class UpstreamSettings(BaseModel):
    """Another LAN-TSE connector: the vendor's, or a gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: ConnectorUrl
    token: SecretStr
    ca_file: FilePath | None = None
    fingerprint: str = ""

    @check_model(mode="before")
    @classmethod
    def _token_from_its_file(cls, values: object) -> object:
        if not isinstance(values, dict) or "token_file" not in values:
            return values
        if "token" in values:
            raise UnfitValue(BOTH_GIVEN, first="token", second="token_file")
        rest = {name: value for name, value in values.items() if name != "token_file"}
        try:
            return rest | {"token": read_secret(str(values["token_file"]))}
        except ValueError as error:
            raise UnfitValue(_TOKEN_FILE, error=error) from None


class TokenSettings(BaseModel):
    """One more token, in a secret file that the gateway reads anew each minute."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: TokenName
    role: Literal["till", "operator", "auditor", "monitor"]
    token_file: FilePath
    tses: Texts = ()
    clients: Texts = ()
