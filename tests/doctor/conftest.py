"""The shop of the commands is the doctor's, too."""

from tests.cli.conftest import shop

__all__ = ["shop"]
