"""`simulator`: make a simulated TSE for development, mount it as files, give it faults."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import completion
from gateway.cli.base import Cli
from gateway.cli.help import both, spoken
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from gateway.simulator.factory import Make

AsJson = Annotated[
    bool, typer.Option("--json", help=both("Print JSON, for programs.", "JSON ausgeben, für Programme."))
]
Directory = Annotated[
    Path, typer.Argument(help=both("Directory of the simulated TSE.", "Verzeichnis der simulierten TSE."))
]


Home = Annotated[
    Path | None,
    typer.Option(
        "--tse",
        help=both(
            "Directory of the simulated TSE; made if it is not there.",
            "Verzeichnis der simulierten TSE; sie wird angelegt, wenn es sie nicht gibt.",
        ),
    ),
]
GenerationOption = Annotated[
    int,
    typer.Option(
        "--generation",
        min=1,
        max=2,
        help=both("Generation of a TSE that is made.", "Generation einer TSE, die angelegt wird."),
    ),
]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        help=both(
            "instant, or hardware with the times of a real one.", "instant, oder hardware mit den Zeiten einer echten."
        ),
    ),
]

_MADE = Text("simulated TSE {serial} in {directory}", "simulierte TSE {serial} in {directory}")
_SHOWN = Text("simulated TSE {serial} of {home} at {place}", "simulierte TSE {serial} aus {home} an {place}")
_CLEARED = Text("cleared: {name}", "beseitigt: {name}")
_ALL = Text("all faults", "alle Störungen")
_OCCURS = Text("{name} occurs until cleared", "{name} tritt ein, bis es beseitigt wird")
_OCCURS_TIMES = Text("{name} occurs {times} times", "{name} tritt {times}-mal ein")


def create(
    context: typer.Context, directory: Directory, generation: GenerationOption = 1, as_json: AsJson = False
) -> None:
    """Make a fresh simulated TSE, as it leaves the factory.

    Example: tse-gateway simulator create tse

    Deutsch: Eine frische simulierte TSE anlegen, wie sie aus dem Werk kommt.
    """
    from gateway.simulator.device import SimulatedTse

    tse = SimulatedTse.create(directory, _make(generation))
    serial = tse.serial.hex().upper()
    tse.close()
    _say({"serial": serial} if as_json else _MADE.in_language(spoken(context), serial=serial, directory=directory))


def mount(
    context: typer.Context,
    mount_point: Annotated[
        Path,
        typer.Argument(
            help=both("Empty directory where its files appear.", "Leeres Verzeichnis, in dem ihre Dateien erscheinen.")
        ),
    ],
    directory: Home = None,
    profile: ProfileName = "instant",
    generation: GenerationOption = 1,
) -> None:
    """Mount a simulated TSE as files. Other TSE software can use it so; ends with Ctrl-C or umount.

    Example: tse-gateway simulator mount mnt --tse tse

    Deutsch: Eine simulierte TSE als Dateien einhängen. So kann andere TSE-Software sie benutzen; endet mit Strg-C oder
    umount.
    """
    _show(context, mount_point, directory, profile, generation, image=False)


def image(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help=both(
                "Empty file that becomes its disk; made if it is not there.",
                "Leere Datei, die ihr Datenträger wird; sie wird angelegt, wenn es sie nicht gibt.",
            )
        ),
    ],
    directory: Home = None,
    profile: ProfileName = "instant",
    generation: GenerationOption = 1,
) -> None:
    """Show a simulated TSE as a disk. For a virtual machine or losetup; ends with Ctrl-C or umount.

    Example: tse-gateway simulator image disk.img --tse tse

    Deutsch: Eine simulierte TSE als Datenträger zeigen. Für eine virtuelle Maschine oder losetup; endet mit Strg-C oder
    umount.
    """
    _show(context, file, directory, profile, generation, image=True)


def fault(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help=both("Directory of the simulated TSE.", "Verzeichnis der simulierten TSE."))
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help=both(
                "Name of the fault; without one, all are listed.", "Name der Störung; ohne ihn werden alle aufgelistet."
            ),
            autocompletion=completion.faults,
        ),
    ] = None,
    *,
    times: Annotated[
        int | None,
        typer.Option(min=1, help=both("The fault occurs only this many times.", "Die Störung tritt nur so oft ein.")),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help=both("Remove this fault, or all.", "Diese Störung beseitigen, oder alle."))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a simulated TSE a fault, or list all faults. Also one that a gateway is serving.

    Example: tse-gateway simulator fault tse unplugged

    Deutsch: Einer simulierten TSE eine Störung geben, oder alle Störungen auflisten. Auch einer, die ein Gateway
    bedient.
    """
    from gateway.simulator import faults

    if directory is not None and clear:
        faults.clear_fault(directory, name)
    elif directory is not None and name is not None:
        faults.set_fault(directory, name, times)
    language = spoken(context)
    active = faults.listed_faults(directory) if directory else {}
    if as_json:
        _say(active)
    elif directory is None or (name is None and not clear):
        rows = [("*" if known in active else "", known, meaning) for known, meaning in faults.FAULTS.items()]
        Cli(language=language).table(("", "", ""), [(*row[:2], row[2].in_language(language)) for row in rows])
    elif clear:
        _say(_CLEARED.in_language(language, name=name or _ALL))
    else:
        _say((_OCCURS_TIMES if times else _OCCURS).in_language(language, name=name, times=times))


def _say(told: object) -> None:
    print(told if isinstance(told, str) else json.dumps(told))


def _make(generation: int) -> "Make":
    from gateway.simulator.factory import Make
    from gateway.tse.fields import Generation

    return Make(generation=Generation(generation))


def _show(
    context: typer.Context, place: Path, directory: Path | None, profile: str, generation: int, *, image: bool
) -> None:
    from gateway.simulator.device import SimulatedTse
    from gateway.simulator.profiles import profile_named
    from gateway.volume.mount import mount as mount_tse

    home = directory or place.with_name(f"{place.name}.tse")
    tse = SimulatedTse.open_or_create(home, _make(generation), profile=profile_named(profile))
    _say(_SHOWN.in_language(spoken(context), serial=tse.serial.hex().upper(), home=home, place=place))
    try:
        mount_tse(tse, place, image=image)
    finally:
        tse.close()


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help=both(
            "Simulated TSEs for development: never a certified one.",
            "Simulierte TSEs für die Entwicklung: niemals eine zertifizierte.",
        ),
        no_args_is_help=True,
    )
    for name, function in (("create", create), ("mount", mount), ("image", image), ("fault", fault)):
        group.command(name)(function)
    app.add_typer(group, name="simulator")
