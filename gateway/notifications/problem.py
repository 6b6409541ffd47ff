"""Something that needs attention, in the words of its reader's language."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """What is wrong (`fact`) and what helps (`remedy`), both in sentences; `code` is a name that does not change.

    `serial` is empty if it is about no TSE; `about` tells apart several of the same code, such as the owners of PINs.
    `serious`: something must be done now. It is told when it has lasted for `patience` seconds.
    """

    code: str
    fact: str
    remedy: str = ""
    serial: str = ""
    about: str = ""
    serious: bool = False
    patience: float = 0.0

    @property
    def key(self) -> str:
        """What stays the same while the problem lasts, whatever its figures are."""
        return ":".join(filter(None, (self.code, self.serial, self.about)))

    @property
    def text(self) -> str:
        """All that is told of it."""
        return f"{self.fact} {self.remedy}".rstrip()
