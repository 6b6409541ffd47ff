"""Places where archives are copied to: each mistake is told in both languages, with the way out."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.settings import load
from gateway.errors import ConfigurationError

BUCKET = {"url": "https://s3.example/tse", "key_id": "k", "secret": "s3cr3t"}
SFTP = {"url": "sftp://tse@nas.example/tse", "host_key": "ssh-ed25519 AAAA", "secret": "s3cr3t"}


def refused(*targets: Mapping[str, str], **settings: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load({}, None, archive_targets=json.dumps([{"name": "nas"} | dict(one) for one in targets]), **settings)
    return caught.value


@pytest.mark.parametrize(
    ("target", "english", "german"),
    [
        ({"url": "https://[/"}, "url cannot be understood", "url ist nicht zu verstehen"),
        ({"url": "ftp://nas.example/tse"}, "url must be https://host/bucket", "url muss https://host/bucket"),
        ({"url": "sftp://u:s3cr3t@nas.example/tse"}, "without a password", "ohne Passwort"),
        (BUCKET | {"key_id": ""}, "a bucket needs url", "ein Bucket braucht url"),
        (SFTP | {"host_key": ""}, "as ssh-keyscan shows it", "wie ssh-keyscan ihn zeigt"),
        ({name: SFTP[name] for name in ("url", "host_key")}, "SFTP needs key_file", "SFTP braucht key_file"),
        ({"url": "nas/tse"}, "written as a whole path", "als ganzer Pfad geschrieben"),
        (BUCKET | {"secret_file": "/s"}, "secret and secret_file are both given", "secret und secret_file sind beide"),
        (
            {"url": "/mnt/tse", "secret_file": "/none"},
            "secret_file: the file that it names",
            "Datei oder Verzeichnis nicht gefunden",
        ),
        (BUCKET | {"keyid": "k"}, "did you mean key_id?", "gemeint ist vielleicht key_id"),
    ],
)
def test_a_target_that_cannot_be_used_is_told_in_both_languages(
    target: Mapping[str, str], english: str, german: str
) -> None:
    error = refused(target)
    assert english in error.in_language("en")
    assert german in error.in_language("de")
    assert "s3cr3" not in str(error)


def test_targets_have_names_of_their_own_and_stamps_their_trust() -> None:
    twice = refused(BUCKET, SFTP)
    assert "each needs a name of its own" in twice.in_language("en")
    assert "jedes braucht einen eigenen Namen" in twice.in_language("de")
    stamps = refused(archive_timestamp_url="https://stamps.example")
    assert "archive_timestamp_url und archive_timestamp_trust gehören zusammen angegeben" in stamps.in_language("de")


def test_a_bucket_a_server_and_a_directory_are_taken(tmp_path: Path) -> None:
    named = [BUCKET | {"name": "s3"}, SFTP | {"name": "sftp"}, {"name": "share", "url": str(tmp_path)}]
    taken = load({}, None, archive_targets=json.dumps(named)).archive_targets
    assert [target.kind for target in taken] == ["s3", "sftp", "directory"]
