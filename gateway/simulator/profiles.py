"""Durations of commands; the window of the simulated TSE shows "busy" for that time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text
from gateway.tse.commands import CloseImport, Decommission, Initialize, Login, Logout, OpenImport, SelfTest, SetTime
from gateway.tse.fields import Command


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds for each kind of command, and `other` for the rest."""

    name: str
    other: float = 0.0
    seconds: Mapping[type[Command], float] = field(default_factory=dict)

    def duration(self, kind: type[Command] | None) -> float:
        """Return the seconds for a command; `None` is one the TSE does not understand."""
        return self.other if kind is None else self.seconds.get(kind, self.other)


INSTANT = Profile("instant")
HARDWARE = Profile(
    "hardware",
    other=0.01,
    seconds={
        CloseImport: 0.25,
        OpenImport: 0.02,
        SelfTest: 30.0,
        Login: 0.2,
        Logout: 0.2,
        SetTime: 0.2,
        Initialize: 0.5,
        Decommission: 0.5,
    },
)
PROFILES = {profile.name: profile for profile in (INSTANT, HARDWARE)}


def profile_named(name: str) -> Profile:
    """Return the profile of that name; `ConfigurationError` naming all when there is none."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigurationError(
            Text(
                "no simulator profile {name!r}: use one of {known}",
                "kein Simulator-Profil {name!r}: eines von {known} nehmen",
            ),
            name=name,
            known=", ".join(PROFILES),
        ) from None
