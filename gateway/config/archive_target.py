"""A place beyond the machine where archives are kept, too, as the settings name it."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic import model_validator as check_model
from yarl import URL

from gateway.config.secret import read_secret
from gateway.config.sources import BOTH_GIVEN
from gateway.config.values import FilePath, TokenName
from gateway.errors import UnfitValue
from gateway.i18n.text import Text

TargetKind = Literal["s3", "sftp", "directory"]
_KINDS: dict[str, TargetKind] = {"https": "s3", "http": "s3", "sftp": "sftp", "": "directory"}
_SECRET_FILE = Text("secret_file: {error}", "secret_file: {error}")
_NO_URL = Text("url cannot be understood", "url ist nicht zu verstehen")
_OTHER_URL = Text(
    "url must be https://host/bucket, sftp://user@host/folder or /folder, without a password",
    "url muss https://host/bucket, sftp://user@host/folder oder /folder sein, ohne Passwort",
)
_BUCKET = Text(
    "a bucket needs url = https://host/bucket, key_id, and secret or secret_file",
    "ein Bucket braucht url = https://host/bucket, key_id, und secret oder secret_file",
)
_SFTP = Text(
    "SFTP needs url = sftp://user@host/folder and host_key, as ssh-keyscan shows it",
    "SFTP braucht url = sftp://user@host/folder und host_key, wie ssh-keyscan ihn zeigt",
)
_SFTP_KEY = Text("SFTP needs key_file, or secret or secret_file", "SFTP braucht key_file, oder secret oder secret_file")
_WHOLE_PATH = Text(
    "a directory is written as a whole path, such as /mnt/nas/tse",
    "ein Verzeichnis wird als ganzer Pfad geschrieben, etwa /mnt/nas/tse",
)


class ArchiveTargetSettings(BaseModel):
    """A bucket (https://host/bucket/prefix), a server (sftp://user@host/folder) or a directory (/mnt/nas/tse)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: TokenName
    url: str
    key_id: str = ""
    secret: SecretStr | None = None
    region: str = "us-east-1"
    ca_file: FilePath | None = None
    key_file: FilePath | None = None
    host_key: str = ""
    retain_years: int = Field(10, ge=0, le=100)

    @check_model(mode="before")
    @classmethod
    def _secret_from_its_file(cls, values: object) -> object:
        if not isinstance(values, dict) or "secret_file" not in values:
            return values
        if "secret" in values:
            raise UnfitValue(BOTH_GIVEN, first="secret", second="secret_file")
        rest = {name: value for name, value in values.items() if name != "secret_file"}
        try:
            return rest | {"secret": read_secret(str(values["secret_file"]))}
        except ValueError as error:
            raise UnfitValue(_SECRET_FILE, error=error) from None

    @check_model(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        try:
            url = URL(self.url)
        except ValueError:
            raise UnfitValue(_NO_URL) from None
        if url.scheme not in _KINDS or url.password is not None or url.query_string or url.fragment:
            raise UnfitValue(_OTHER_URL)
        if self.kind == "s3" and not (url.host and url.path.strip("/") and self.key_id and self.secret):
            raise UnfitValue(_BUCKET)
        if self.kind == "sftp" and not (url.host and url.user and url.path.strip("/") and self.host_key):
            raise UnfitValue(_SFTP)
        if self.kind == "sftp" and not (self.key_file or self.secret):
            raise UnfitValue(_SFTP_KEY)
        if self.kind == "directory" and not Path(self.url).is_absolute():
            raise UnfitValue(_WHOLE_PATH)
        return self

    @property
    def kind(self) -> TargetKind:
        """What kind of target it is."""
        return _KINDS[URL(self.url).scheme]
