"""Six shops and the playbook: what waves, failures, the way back and drift lead to. Run by tests/deploy/fleet/run.

One shop is unreachable, in one the installation fails once, one has no TSE after an update. Each step prints what is so
afterwards; the run ends with a sentence at the first that is not.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.deploy.fleet.fleet import SHOPS, UNREACHABLE, Fleet, Run

REACHABLE = [shop for shop in SHOPS if shop != UNREACHABLE]
FIRST, OTHERS = REACHABLE[0], REACHABLE[1:]
TWO = ["bonn", "kiel"]  # enough for what has nothing to do with waves
OLD, NEW = "registry.example/tse-gateway:1", "registry.example/tse-gateway:2"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-") as work:
        fleet = Fleet(Path(work))
        try:
            for step in STEPS:
                began = time.monotonic()
                print(f"== {step.__doc__}", flush=True)
                step(fleet)
                print(f"   {time.monotonic() - began:.0f} s", flush=True)
        finally:
            fleet.end()


def first(fleet: Fleet) -> None:
    """first run: one shop is unreachable, in one the installation of the rules fails"""
    fleet.publish(OLD)
    obstacle = fleet.work / "mainz/root/etc/udev"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("a file where a folder must be")
    run = fleet.play(OLD)
    expect(run, "the run is not green", run.status != 0)
    expect(run, "the unreachable shop is told", run.group("unreachable") == [UNREACHABLE])
    expect(run, "so is the one that failed", run.group("failed") == ["mainz"])
    done = [shop for shop in REACHABLE if shop != "mainz"]
    expect(run, f"{', '.join(done)} are up to date", sorted(run.group("up to date")) == sorted(done))
    expect(run, "and their TSEs can sign", all(fleet.can_sign(shop) == 1 for shop in done))
    obstacle.unlink()


def heal(fleet: Fleet) -> None:
    """second run: the installation is done now, though its files were there already"""
    run = fleet.play(OLD, "--limit", "mainz")
    expect(run, "the run is green", run.status == 0)
    rules = fleet.work / "mainz/root/etc/udev/rules.d/59-tse.rules"
    expect(run, "the rules are installed", rules.exists())
    expect(run, "the TSE can sign", fleet.can_sign("mainz") == 1)


def bad_image(fleet: Fleet) -> None:
    """an image with which no TSE is found, and which brings the state to a newer format: the first wave is the last"""
    fleet.publish(NEW, without_tse=SHOPS, brings_format=3)
    before = {shop: fleet.process(shop) for shop in OTHERS}
    run = fleet.play(NEW, "--limit", ",".join(REACHABLE))
    expect(run, "the run is not green", run.status != 0)
    expect(run, "the first shop failed", run.group("failed") == [FIRST])
    expect(run, "all others were not begun", sorted(run.group("not begun")) == sorted(OTHERS))
    expect(run, "their gateways were not touched", before == {shop: fleet.process(shop) for shop in OTHERS})
    expect(run, "the first shop is back", fleet.image(FIRST) == fleet.published(OLD))
    expect(run, "its state is that of before", '"format": 2' in (fleet.work / FIRST / "state/state.json").read_text())
    expect(run, "its TSE can sign", fleet.can_sign(FIRST) == 1)


def one_shop_loses_its_tse(fleet: Fleet) -> None:
    """an image with which one shop of the second wave has no TSE"""
    fleet.publish(NEW, without_tse=("bonn",))
    run = fleet.play(NEW)
    expect(run, "the run is not green", run.status != 0)
    expect(run, "that shop failed", run.group("failed") == ["bonn"])
    expect(run, "it is back, and said so", "runs what it ran before" in run.told("bonn"))
    expect(run, "it runs the image of before", fleet.image("bonn") == fleet.published(OLD))
    expect(run, "its TSE can sign", fleet.can_sign("bonn") == 1)
    rest = [shop for shop in REACHABLE if shop != "bonn"]
    expect(run, "the others are up to date", sorted(run.group("up to date")) == sorted(rest))
    expect(run, "they run the new image", all(fleet.image(shop) == fleet.published(NEW) for shop in rest))
    backups = [fleet.work / shop / "opt/state-before.tgz" for shop in rest]
    expect(run, "each has a backup of before", all(path.stat().st_size for path in backups))
    expect(run, "the unreachable shop is told", run.group("unreachable") == [UNREACHABLE])


def mended(fleet: Fleet) -> None:
    """the image is mended, under the same name: shops get it"""
    fleet.publish(NEW)
    run = fleet.play(NEW, "--limit", ",".join(TWO))
    expect(run, "the run is green", run.status == 0)
    expect(run, "they run it", all(fleet.image(shop) == fleet.published(NEW) for shop in TWO))
    expect(run, "their TSEs can sign", all(fleet.can_sign(shop) == 1 for shop in TWO))


def nothing_to_do(fleet: Fleet) -> None:
    """nothing to do: nothing is changed, no gateway is started anew"""
    before = {shop: fleet.process(shop) for shop in TWO}
    run = fleet.play(NEW, "--limit", ",".join(TWO))
    expect(run, "the run is green", run.status == 0)
    expect(run, "no task changed anything", set(run.changed.values()) == {0})
    expect(run, "the same processes", before == {shop: fleet.process(shop) for shop in TWO})


def drift(fleet: Fleet) -> None:
    """what the running container has is compared: a secret and a setting that were changed by hand in one shop"""
    compose = fleet.work / "kiel/opt/compose"
    (compose / "secrets/api_token").write_text("1111111111")
    path = compose / ".env"
    path.write_text(path.read_text().replace("GATEWAY_METRICS_LISTEN=tls", "GATEWAY_METRICS_LISTEN=off"))
    engine = fleet.work / "kiel/bin/docker"
    run_engine(engine, "compose", "-f", str(compose / "site.yaml"), "up", "-d", "--no-build", "--force-recreate")
    path.write_text(path.read_text().replace("GATEWAY_METRICS_LISTEN=off", "GATEWAY_METRICS_LISTEN=tls"))
    before = fleet.process("kiel")  # its files are as they should be, the container is not
    run = fleet.play(NEW, "--limit", ",".join(TWO))
    expect(run, "the run is green", run.status == 0)
    expect(run, "the container was made anew", fleet.process("kiel") != before)
    expect(run, "it takes the token of the vault", fleet.takes("kiel", "4667430815"))
    expect(run, "and not the other", not fleet.takes("kiel", "1111111111"))
    expect(run, "the shop beside it was left alone", run.changed["bonn"] == 0)


def secrets(fleet: Fleet) -> None:
    """a token is replaced while tills sell; a PIN that is gone from the vault is gone from the box"""
    before = fleet.process("bonn")
    fleet.secrets("bonn", api_token="1142081547\n4667430815 until 2099-12-31", time_admin_pin="98765")
    run = fleet.play(NEW, "--limit", "bonn")
    expect(run, "the run is green", run.status == 0)
    expect(run, "the gateway was not started anew", fleet.process("bonn") == before)
    until(run, "it takes the new token", lambda: fleet.takes("bonn", "1142081547"))
    expect(run, "and the old one", fleet.takes("bonn", "4667430815"))

    fleet.secrets("kiel", api_token="4667430815")
    run = fleet.play(NEW, "--limit", "kiel")
    expect(run, "settings that name a secret without one are refused", run.status != 0)
    expect(run, "by a sentence", "secrets.yaml has no such secret" in run.told("kiel"))
    before = fleet.process("kiel")
    fleet.settings("kiel", with_pin=False)
    run = fleet.play(NEW, "--limit", "kiel")
    expect(run, "without the setting the run is green", run.status == 0)
    expect(run, "the file is gone", not (fleet.work / "kiel/opt/compose/secrets/time_admin_pin").exists())
    expect(run, "the gateway was started anew", fleet.process("kiel") != before)


def monitoring(fleet: Fleet) -> None:
    """targets and certificate authorities for the monitoring"""
    run = fleet.play(NEW, playbook="monitoring.yaml")
    expect(run, "the run is green", run.status == 0)
    targets = (fleet.work / "compose/monitoring/targets/fleet.yaml").read_text()
    expect(run, "each shop is a target, also the unreachable one", targets.count("targets:") == len(SHOPS))
    expect(run, "with its site", 'labels: {site: "Berlin Mitte"}' in targets)
    bundle = fleet.work / "compose/monitoring/secrets/gateways-ca.pem"
    expect(run, "their authorities are there", bundle.read_text().count("BEGIN CERTIFICATE") == len(REACHABLE))


def expect(run: Run, sentence: str, true: bool) -> None:
    """Print the sentence if it is so; else all that Ansible said, and end."""
    if not true:
        sys.exit(f"{run.said}\nNOT SO: {sentence}")
    print(f"   {sentence}", flush=True)


def until(run: Run, sentence: str, true: Callable[[], bool]) -> None:
    """Wait at most two minutes for it."""
    ends = time.monotonic() + 120
    while not true() and time.monotonic() < ends:
        time.sleep(1)
    expect(run, sentence, true())


def run_engine(engine: Path, *words: str) -> None:
    subprocess.run([str(engine), *words], check=True, capture_output=True)


STEPS = (first, heal, bad_image, one_shop_loses_its_tse, mended, nothing_to_do, drift, secrets, monitoring)

if __name__ == "__main__":
    main()
