"""The order of a swap, as people read it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.cli.swap_steps import Result, Swap
from gateway.i18n.text import Text


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list; some are for an old TSE that works, or for a dead one, only."""

    name: str
    title: Text
    do: Callable[[Swap], Awaitable[Result]]
    dead: bool | None = None


STEPS = (
    Step(
        "export_before",
        Text("export everything from the old TSE and verify it", "alles aus der alten TSE exportieren und prüfen"),
        Swap.export_before,
    ),
    Step(
        "elster_old",
        Text("write down the old TSE's data for ELSTER", "die Angaben der alten TSE für ELSTER festhalten"),
        Swap.elster_old,
    ),
    Step(
        "deregister",
        Text("deregister all clients from the old TSE", "alle Kassen von der alten TSE abmelden"),
        Swap.deregister,
        dead=False,
    ),
    Step(
        "decommission",
        Text("take the old TSE out of service, for good", "die alte TSE endgültig außer Betrieb nehmen"),
        Swap.decommission,
        dead=False,
    ),
    Step(
        "export_after",
        Text("export the old TSE a last time and verify it", "die alte TSE ein letztes Mal exportieren und prüfen"),
        Swap.export_after,
        dead=False,
    ),
    Step(
        "find_new",
        Text("the new TSE is plugged in and set up", "die neue TSE steckt und ist eingerichtet"),
        Swap.find_new,
    ),
    Step(
        "register",
        Text("register the same clients with the new TSE", "dieselben Kassen an der neuen TSE anmelden"),
        Swap.register,
    ),
    Step(
        "elster_new",
        Text("write down the new TSE's data for ELSTER", "die Angaben der neuen TSE für ELSTER festhalten"),
        Swap.elster_new,
    ),
    Step(
        "retire",
        Text("miss the old TSE no longer", "die alte TSE nicht mehr vermissen"),
        Swap.retire,
        dead=True,
    ),
)
