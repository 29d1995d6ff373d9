"""The wheel that users install: what it carries, and the versions that it is tested with."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without network by the tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(REPOSITORY)], check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_carries_all_of_the_package_and_of_the_schemas(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = [
        path for path in (REPOSITORY / "services/tailrace").rglob("*") if path.suffix != ".pyc" and path.is_file()
    ]
    schemas = [path for path in (REPOSITORY / "schemas").rglob("*") if path.is_file()]
    assert {path.relative_to(REPOSITORY / "services").as_posix() for path in package} <= names
    assert {f"tailrace/{path.relative_to(REPOSITORY).as_posix()}" for path in schemas} <= names
    assert "tailrace/schemas/topics.toml" in names


def test_the_wheel_claims_one_name_in_site_packages(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "tailrace",
        f"tailrace-{PROJECT['version']}.dist-info",
    }


def test_the_wheel_installs_one_command_and_its_licence(wheel: zipfile.ZipFile) -> None:
    folder = f"tailrace-{PROJECT['version']}.dist-info"
    scripts = wheel.read(f"{folder}/entry_points.txt").decode()
    assert scripts.split() == ["[console_scripts]", "tailrace", "=", "tailrace.__main__:main"]
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()


def test_the_installed_package_finds_its_schemas_without_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    script = "from tailrace.runtime.resources import schemas; print(schemas())"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "."},
    )
    assert Path(ran.stdout.strip()).resolve() == tmp_path / "tailrace" / "schemas"


def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))


def requirements() -> list[Requirement]:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras] if not line.startswith("tailrace[")]


def test_constraints_are_names_and_versions_and_nothing_else() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    pinned = pins()
    for requirement in requirements():
        assert pinned[requirement.name.lower().replace("_", "-")] in requirement.specifier


def test_the_tests_run_with_the_pinned_versions() -> None:
    pinned = pins()
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) == pinned[requirement.name.lower().replace("_", "-")]
