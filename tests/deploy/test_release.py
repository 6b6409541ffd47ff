"""What a release is made of: one version everywhere, checks that are listed once, actions by digest."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gateway import __version__

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
CHECK = ROOT / ".ci/check"
_IMAGE = re.compile(r"tse-gateway:(\d+\.\d+\.\d+)")


@pytest.mark.parametrize("folder", ["compose", "helm"])
def test_files_for_administrators_name_the_image_of_this_version(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    named = {(path.name, version) for path in files for version in _IMAGE.findall(path.read_text(errors="replace"))}
    assert {name for name, version in named if version != __version__} == set()
    assert named or folder == "helm"


def test_chart_and_gateway_have_one_version() -> None:
    chart = yaml.safe_load((ROOT / "helm/tse-gateway/Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == __version__


def test_the_changelog_and_the_upgrade_notes_tell_of_this_version() -> None:
    newest = re.search(r"^## \[(\d.*?)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
    assert re.search(rf"^## .* to {re.escape(__version__)}$", _notes(), re.MULTILINE)


def test_each_check_is_a_hook_and_the_whole_is_what_ci_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    checks = re.findall(r"^    (\w+)\) ", CHECK.read_text(encoding="utf-8"), re.MULTILINE)
    assert [hook["entry"] for hook in hooks] == [f".ci/check {check}" for check in checks]
    run = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "BIN=$bin .ci/check\n" in run
    assert not re.search(r"bin/(ruff|mypy|lint-imports)", run)


def test_a_check_that_there_is_not_is_refused() -> None:
    command = [str(CHECK), "formt"]
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(command, env={"BIN": bin_folder, "PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"format, lint, types or layers" in done.stderr


@pytest.mark.parametrize("path", sorted(GITHUB.rglob("*.yml")), ids=lambda path: path.name)
def test_each_file_for_github_can_be_read(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("path", sorted((GITHUB / "workflows").iterdir()), ids=lambda path: path.name)
def test_workflows_use_actions_by_digest_and_read_only_unless_a_job_says_more(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert [line for line in used if not re.fullmatch(r"\./.*|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_foreign_images_have_a_digest_and_all_files_with_them_are_kept_up_to_date() -> None:
    found = {
        (path, image)
        for path in (ROOT / "compose").rglob("*.yaml")
        for image in re.findall(r"^ +image: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if "tse-gateway" not in image
    }
    assert len(found) >= 3
    assert [image for _, image in found if not re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)] == []
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    watched = {(update["package-ecosystem"], update.get("directory")) for update in updates}
    assert watched >= {("docker", "/"), ("docker-compose", "/compose")}
    assert {path.parent for path, _ in found} == {ROOT / "compose"}


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program that builds a release."""
    monkeypatch.syspath_prepend(ROOT / ".ci/release")
    monkeypatch.delitem(sys.modules, "build", raising=False)
    return importlib.import_module("build")


def test_files_of_a_release_name_its_image_by_digest_and_build_none(build: ModuleType) -> None:
    image = "registry.test/shop/tse-gateway@sha256:" + 64 * "a"
    places = (path for folder in ("compose", "helm") for path in (ROOT / folder).rglob("*"))
    named = 0
    for path in (path for path in places if path.suffix in {".yaml", ".container", ".example"}):
        text = build.filled(path.read_text(encoding="utf-8"), __version__, image, "registry.test/shop")
        assert not re.search(r"registry\.example|\bbuild:", text), path
        assert _IMAGE.findall(text) == [], path
        named += text.count(image)
    assert named >= 4


def test_packages_of_a_release_are_for_the_pythons_of_its_debians_and_its_image(build: ModuleType) -> None:
    (image,) = re.findall(r"^FROM python:(\d\.\d+)-slim-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert image in build.SUITES.values()
    assert set(build.ARCHITECTURES) == {"amd64", "arm64"}


def test_the_workflow_builds_and_publishes_by_the_program_that_is_proved() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
    runs = " ".join(step["run"] for job in jobs.values() for step in job.get("steps", ()) if "run" in step)
    assert re.findall(r"\.ci/release (\w+) dist", runs) == ["build", "publish"]
    assert "diff -r dist again" in runs


def test_ci_does_what_a_developer_does() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step][-1] == ".ci/run"


def _notes() -> str:
    return (ROOT / "docs/administrators/upgrade.md").read_text(encoding="utf-8")
