"""The command: a folder with everything, and what was found."""

import json
import subprocess
from pathlib import Path

from tests.cli.background import Running


def test_it_writes_a_folder_whose_checksums_fit(shop: Running) -> None:
    said = shop.call("audit-package --language de -o audit")
    assert (said.status, said.err) == (0, "")
    assert "Deckblatt.html erklärt jede" in said.out
    assert "geprüft, mit Warnungen" in said.out  # nobody gave revocation lists
    names = {str(path.relative_to("audit")) for path in Path("audit").rglob("*") if path.is_file()}
    assert {"Deckblatt.html", "SHA256SUMS.txt", "DSFinV-K/tse.csv", "Pruefbericht/pruefbericht.html"} <= names
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS.txt"], cwd="audit", check=True)
    assert shop.call("audit-package -o audit").status == 1  # it is not empty


def test_a_period_without_messages_still_tells_outages(shop: Running) -> None:
    found = json.loads(shop.call("audit-package --from 2020-01-01 --to 2020-12-31 -o old --json").out)
    assert found["verdict"] is None
    assert "Ausfaelle/ausfaelle.html" in found["files"]


def test_wrong_days_and_lists_without_roots_are_refused(shop: Running) -> None:
    assert shop.call("audit-package --from yesterday -o audit").status == 1
    assert "GATEWAY_ARCHIVE_TRUST" in shop.call("audit-package --fetch-crls -o audit").err
    assert not list(Path("audit").glob("*.*"))
