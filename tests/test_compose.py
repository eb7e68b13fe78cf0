"""The container: valid under Compose's own check, built from what is here, and closed to hostile input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def check_compose(file: Path) -> subprocess.CompletedProcess[str]:
    """Compose's verdict on a file; `config` needs no engine, and an empty environment leaves no variable to fill in."""
    command = [str(BIN / "docker-compose"), "--file", str(file), "config", "--format", "json"]
    return subprocess.run(command, env={"HOME": str(file.parent)}, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def ingest() -> dict[str, Any]:
    result = check_compose(ROOT / "docker-compose.yml")
    assert result.returncode == 0, result.stderr
    services: dict[str, dict[str, Any]] = json.loads(result.stdout)["services"]
    assert list(services) == ["ingest"]
    return services["ingest"]


def test_compose_warns_of_nothing() -> None:
    assert check_compose(ROOT / "docker-compose.yml").stderr == ""


def test_compose_refuses_a_misspelt_key(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    broken.write_text(text.replace("network_mode:", "network_mod:"), encoding="utf-8")
    result = check_compose(broken)
    assert result.returncode != 0
    assert "network_mod" in result.stderr


def test_ingest_is_one_shot(ingest: dict[str, Any]) -> None:
    assert ingest["restart"] == "no"
    assert "ports" not in ingest


def test_ingest_is_closed_to_hostile_input(ingest: dict[str, Any]) -> None:
    assert ingest["read_only"] is True
    assert ingest["network_mode"] == "none"
    assert ingest["cap_drop"] == ["ALL"]
    assert ingest["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "mem_limit", "pids_limit"} <= ingest.keys()


def test_ingest_writes_to_its_output_alone(ingest: dict[str, Any]) -> None:
    mounts = {volume["target"]: volume.get("read_only", False) for volume in ingest["volumes"]}
    assert mounts == {"/mill/data": True, "/mill/out": False}


def test_ingest_runs_as_the_user_that_the_image_makes(ingest: dict[str, Any]) -> None:
    users = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert users == [ingest["user"]]
    assert not ingest["user"].startswith(("0", "root"))


def test_the_image_is_named_after_the_version(ingest: dict[str, Any]) -> None:
    assert ingest["image"] == f"millstream:{PYPROJECT['project']['version']}"


def test_the_command_is_one_that_millstream_takes(ingest: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "page.txt").write_text("A page of text.\n", encoding="utf-8")
    command = [str(BIN / "millstream"), *ingest["command"], "--dry-run"]
    result = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_image_is_built_from_what_is_here() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE) for name in line.split()}
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert copied == set(sent)
    assert copied >= set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert [name for name in copied if not (ROOT / name).exists()] == []
