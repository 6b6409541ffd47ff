"""What a run of the simulation is to be like."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation.troubles import TROUBLES


@dataclass(frozen=True, slots=True)
class Plan:
    """A shop and its troubles; `seed` decides on all details.

    It lasts `hours`, and tills sell from `opens` to `closes` (hours of the day). `receipt_every` and `trouble_every`
    are the mean seconds between two receipts of a till, and between two troubles. The number of TSEs is drawn from
    `tses`, the generation of each from `generations`, and the number of its tills from `tills`; these share the client
    ids, of which there are `clients`. `mutation` is the defect that is put into the gateway, if any.
    """

    seed: int
    hours: float = 26.0
    receipt_every: float = 120.0
    trouble_every: float = 900.0
    troubles: Sequence[str] = tuple(TROUBLES)
    opens: float = 8.0
    closes: float = 20.0
    tses: Sequence[int] = (1, 1, 2)
    generations: Sequence[int] = (1, 1, 2)
    tills: Sequence[int] = (2, 3, 4)
    clients: int = 3
    mutation: str = ""

    @classmethod
    def of_a_day(cls, seed: int) -> "Plan":
        """A day and a night of an ordinary shop, or of one with more trouble than it should have."""
        chance = Random(f"{seed} plan")
        return cls(seed, receipt_every=chance.uniform(60, 180), trouble_every=chance.choice([600, 1800, 3600]))

    @classmethod
    def crowded(cls, seed: int, *troubles: str, hours: float = 0.5, mutation: str = "") -> "Plan":
        """A shop that never closes and has hardly anything but trouble, so that much is found soon."""
        return cls(
            seed,
            hours,
            receipt_every=5,
            trouble_every=20,
            troubles=troubles or tuple(TROUBLES),
            opens=0,
            closes=24,
            tses=(1,),
            mutation=mutation,
        )
