"""Simulated TSEs, for development: made, mounted, broken on purpose."""

import json
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Directory = Annotated[Path, typer.Argument(help="Directory of the simulated TSE.")]


Home = Annotated[Path | None, typer.Option("--tse", help="Directory of the simulated TSE; made if it is not there.")]
ProfileName = Annotated[str, typer.Option("--profile", help="instant, or hardware with the times of a real one.")]


def create(directory: Directory, as_json: AsJson = False) -> None:
    """Make a fresh simulated TSE. As it would leave the factory.

    Example: tse-gateway simulator create tse
    """
    from gateway.simulator.device import SimulatedTse

    tse = SimulatedTse.create(directory)
    serial = tse.serial.hex().upper()
    tse.close()
    print(json.dumps({"serial": serial}) if as_json else f"simulated TSE {serial} in {directory}")


def mount(
    mount_point: Annotated[Path, typer.Argument(help="Empty directory where its files appear.")],
    directory: Home = None,
    profile: ProfileName = "instant",
) -> None:
    """Show a simulated TSE as files. So that other TSE software can use it; ends with Ctrl-C or umount.

    Example: tse-gateway simulator mount mnt --tse tse
    """
    _show(mount_point, directory, profile, image=False)


def image(
    file: Annotated[Path, typer.Argument(help="Empty file that becomes its disk; made if it is not there.")],
    directory: Home = None,
    profile: ProfileName = "instant",
) -> None:
    """Show a simulated TSE as a disk. For a virtual machine or losetup; ends with Ctrl-C or umount.

    Example: tse-gateway simulator image disk.img --tse tse
    """
    _show(file, directory, profile, image=True)


def fault(
    directory: Annotated[Path | None, typer.Argument(help="Directory of the simulated TSE.")] = None,
    name: Annotated[str | None, typer.Argument(help="Which; without one, all that there are.")] = None,
    times: Annotated[int | None, typer.Option(min=1, help="Strike only so often.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="End this fault, or all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Break a simulated TSE on purpose. Also one that a gateway serves right now.

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
        print(f"{name} strikes {f'{times} times' if times else 'until cleared'}")


def _show(place: Path, directory: Path | None, profile: str, *, image: bool) -> None:
    from gateway.simulator.device import SimulatedTse
    from gateway.simulator.mount import mount as mount_tse
    from gateway.simulator.profiles import profile_named

    home = directory or place.with_name(f"{place.name}.tse")
    tse = SimulatedTse.open_or_create(home, profile=profile_named(profile))
    print(f"simulated TSE {tse.serial.hex().upper()} of {home} at {place}")
    try:
        mount_tse(tse, place, image=image)
    finally:
        tse.close()


def add_to(app: typer.Typer) -> None:
    """Its commands."""
    group = typer.Typer(help="Simulated TSEs for development: never a certified one.", no_args_is_help=True)
    for name, function in (("create", create), ("mount", mount), ("image", image), ("fault", fault)):
        group.command(name)(function)
    app.add_typer(group, name="simulator")
