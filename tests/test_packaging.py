"""What is shipped: the wheel's content, its names, and that code, metadata and locks tell the same story."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INSTALLED_EXTRAS = ("analyst", "office", "s3")
"""The extras that `make` installs, and the image."""
PROJECT = PYPROJECT["project"]
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def requirements(*groups: list[str]) -> list[Requirement]:
    return [Requirement(line) for group in groups for line in group]


def pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lines, re.MULTILINE)
    }


def imported_modules(package: str) -> set[str]:
    """Top-level names that any module below a package imports, at import time or later."""
    names: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "_library":  # an extra, imported when needed
                names.add(ast.literal_eval(node.args[0]))
    return names


def third_party(package: str) -> set[str]:
    return imported_modules(package) - sys.stdlib_module_names - set(PACKAGES)


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_the_code_and_its_rules_and_nothing_else(wheel_names: set[str]) -> None:
    data = {".py", ".toml", ".json"}
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in data)
    shipped = {name for name in wheel_names if ".dist-info/" not in name}
    assert shipped == {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_carries_the_licence(wheel_names: set[str]) -> None:
    assert f"millstream-{PROJECT['version']}.dist-info/licenses/LICENSE" in wheel_names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_top_level_name_is_ours_alone(package: str) -> None:
    # An editable install lists no names, a wheel lists ours; anyone else's would be in the way of both.
    assert set(metadata.packages_distributions().get(package, ["millstream"])) == {"millstream"}
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations == [str(ROOT / package)]


def test_the_installed_version_is_that_of_the_source() -> None:
    assert metadata.version("millstream") == PROJECT["version"]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    distributions = metadata.packages_distributions()
    imported = {
        canonicalize_name(distributions.get(module, [f"{module} is not installed"])[0])
        for package in PACKAGES
        for module in third_party(package)
    }
    declared = requirements(
        PROJECT["dependencies"], *(PROJECT["optional-dependencies"][name] for name in INSTALLED_EXTRAS)
    )
    assert imported == {canonicalize_name(requirement.name) for requirement in declared}


def test_schemas_knows_the_standard_library_and_pyarrow() -> None:
    assert third_party("schemas") == {"pyarrow"}


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        (
            "requirements.lock",
            [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][name] for name in INSTALLED_EXTRAS)],
        ),
        ("requirements-dev.lock", [[line for line in PYPROJECT["dependency-groups"]["dev"] if isinstance(line, str)]]),
    ],
)
def test_a_lock_satisfies_what_is_declared(lock: str, groups: list[list[str]]) -> None:
    locked = pins(lock)
    unmet = [
        str(requirement)
        for requirement in requirements(*groups)
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not unmet, "run `make lock`"


def test_the_tools_are_locked_on_top_of_the_runtime() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_the_command_line_starts_without_beam() -> None:
    program = "import sys, pipeline.cli; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_the_main_module_imports_no_command_for_workers() -> None:
    program = (
        "import sys, pipeline.__main__, transforms.worker_server; sys.exit(bool({'click', 'pebble'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_nothing_in_the_environment_contradicts() -> None:
    check = [sys.executable, "-m", "pip", "check"]  # the locks are installed without resolving
    result = subprocess.run(check, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
