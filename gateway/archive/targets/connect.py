"""The target that settings name."""

from pathlib import Path

from gateway.archive.targets.directory import DirectoryTarget
from gateway.archive.targets.target import Target
from gateway.config.archive_target import ArchiveTargetSettings
from gateway.errors import ConfigurationError
from gateway.i18n.text import Text


def target_of(settings: ArchiveTargetSettings, archive: Path | None = None) -> Target:
    """Return the target; nothing is connected yet. `archive`: the directory that a directory must be apart from.

    Raises:
        ConfigurationError: the extra `archive` is not installed.
    """
    if settings.kind == "directory":
        return DirectoryTarget(Path(settings.url), archive)
    try:
        if settings.kind == "s3":
            from gateway.archive.targets.s3 import S3Target

            return S3Target(settings)
        from gateway.archive.targets.sftp import SftpTarget

        return SftpTarget(settings)
    except ImportError:
        raise ConfigurationError(
            Text(
                "the archive target {name} needs the extra archive: pip install 'tse-gateway[archive]'",
                "das Archivziel {name} braucht das Extra archive: pip install 'tse-gateway[archive]'",
            ),
            name=settings.name,
        ) from None
