"""`simulator`: make a simulated TSE for development, mount it as files, give it faults."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.simulator.factory import Make

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Directory = Annotated[Path, typer.Argument(help="Directory of the simulated TSE.")]


Home = Annotated[Path | None, typer.Option("--tse", help="Directory of the simulated TSE; made if it is not there.")]
GenerationOption = Annotated[int, typer.Option("--generation", min=1, max=2, help="Generation of a TSE that is made.")]
ProfileName = Annotated[str, typer.Option("--profile", help="instant, or hardware with the times of a real one.")]


def create(directory: Directory, generation: GenerationOption = 1, as_json: AsJson = False) -> None:
    """Make a fresh simulated TSE, as it leaves the factory.

    Example: tse-gateway simulator create tse
    """
    from gateway.simulator.device import SimulatedTse

    tse = SimulatedTse.create(directory, _make(generation))
    serial = tse.serial.hex().upper()
    tse.close()
    print(json.dumps({"serial": serial}) if as_json else f"simulated TSE {serial} in {directory}")


def mount(
    mount_point: Annotated[Path, typer.Argument(help="Empty directory where its files appear.")],
    directory: Home = None,
    profile: ProfileName = "instant",
    generation: GenerationOption = 1,
) -> None:
    """Mount a simulated TSE as files. Other TSE software can use it so; ends with Ctrl-C or umount.

    Example: tse-gateway simulator mount mnt --tse tse
    """
    _show(mount_point, directory, profile, generation, image=False)


def image(
    file: Annotated[Path, typer.Argument(help="Empty file that becomes its disk; made if it is not there.")],
    directory: Home = None,
    profile: ProfileName = "instant",
    generation: GenerationOption = 1,
) -> None:
    """Show a simulated TSE as a disk. For a virtual machine or losetup; ends with Ctrl-C or umount.

    Example: tse-gateway simulator image disk.img --tse tse
    """
    _show(file, directory, profile, generation, image=True)


def fault(
    directory: Annotated[Path | None, typer.Argument(help="Directory of the simulated TSE.")] = None,
    name: Annotated[str | None, typer.Argument(help="Name of the fault; without one, all are listed.")] = None,
    times: Annotated[int | None, typer.Option(min=1, help="The fault occurs only this many times.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove this fault, or all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a simulated TSE a fault, or list all faults. Also one that a gateway is serving.

    Example: tse-gateway simulator fault tse unplugged
    """
    from gateway.simulator import faults

    if directory is not None and clear:
        faults.clear_fault(directory, name)
    elif directory is not None and name is not None:
        faults.set_fault(directory, name, times)
    active = faults.listed_faults(directory) if directory else {}
    if as_json:
        print(json.dumps(active))
    elif directory is None or (name is None and not clear):
        for known, meaning in faults.FAULTS.items():
            print(f"{'*' if known in active else ' '} {known:20} {meaning}")
    elif clear:
        print(f"cleared {name or 'all faults'}")
    else:
        print(f"{name} occurs {f'{times} times' if times else 'until cleared'}")


def _make(generation: int) -> "Make":
    from gateway.simulator.factory import Make
    from gateway.tse.fields import Generation

    return Make(generation=Generation(generation))


def _show(place: Path, directory: Path | None, profile: str, generation: int, *, image: bool) -> None:
    from gateway.simulator.device import SimulatedTse
    from gateway.simulator.profiles import profile_named
    from gateway.volume.mount import mount as mount_tse

    home = directory or place.with_name(f"{place.name}.tse")
    tse = SimulatedTse.open_or_create(home, _make(generation), profile=profile_named(profile))
    print(f"simulated TSE {tse.serial.hex().upper()} of {home} at {place}")
    try:
        mount_tse(tse, place, image=image)
    finally:
        tse.close()


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Simulated TSEs for development: never a certified one.", no_args_is_help=True)
    for name, function in (("create", create), ("mount", mount), ("image", image), ("fault", fault)):
        group.command(name)(function)
    app.add_typer(group, name="simulator")
