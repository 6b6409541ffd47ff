"""A place beyond the machine where archives are kept, too, as the settings name it."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic import model_validator as check_model
from yarl import URL

from gateway.config.secret import read_secret
from gateway.config.values import FilePath, TokenName

TargetKind = Literal["s3", "sftp", "directory"]
_KINDS: dict[str, TargetKind] = {"https": "s3", "http": "s3", "sftp": "sftp", "": "directory"}


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
            raise ValueError("secret and secret_file are both given: keep one of them")
        rest = {name: value for name, value in values.items() if name != "secret_file"}
        try:
            return rest | {"secret": read_secret(str(values["secret_file"]))}
        except ValueError as error:
            raise ValueError(f"secret_file: {error}") from None

    @check_model(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        try:
            url = URL(self.url)
        except ValueError:
            raise ValueError("url cannot be understood") from None
        if url.scheme not in _KINDS or url.password is not None or url.query_string or url.fragment:
            raise ValueError("url must be https://host/bucket, sftp://user@host/folder or /folder, without a password")
        if self.kind == "s3" and not (url.host and url.path.strip("/") and self.key_id and self.secret):
            raise ValueError("a bucket needs url = https://host/bucket, key_id, and secret or secret_file")
        if self.kind == "sftp" and not (url.host and url.user and url.path.strip("/") and self.host_key):
            raise ValueError("SFTP needs url = sftp://user@host/folder and host_key, as ssh-keyscan shows it")
        if self.kind == "sftp" and not (self.key_file or self.secret):
            raise ValueError("SFTP needs key_file, or secret or secret_file")
        if self.kind == "directory" and not Path(self.url).is_absolute():
            raise ValueError("a directory is written as a whole path, such as /mnt/nas/tse")
        return self

    @property
    def kind(self) -> TargetKind:
        """What kind of target it is."""
        return _KINDS[URL(self.url).scheme]
