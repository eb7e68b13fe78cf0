"""What docker-compose.yml says, by Compose itself, and its S3 server as a plain process of this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import urllib3

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
FILE = ROOT / "docker-compose.yml"
REGION = "us-east-1"  # the server has none, and a client must have one


def config(file: Path, *profiles: str) -> subprocess.CompletedProcess[str]:
    """Compose's verdict on a file; `config` needs no engine, and an empty environment leaves no variable to fill in."""
    chosen = [f"--profile={profile}" for profile in profiles]
    command = [str(BIN / "docker-compose"), "--file", str(file), *chosen, "config", "--format", "json"]
    return subprocess.run(command, env={"HOME": str(file.parent)}, check=False, capture_output=True, text=True)


def services(*profiles: str) -> dict[str, dict[str, Any]]:
    """The services that start with these profiles, all anchors and defaults filled in."""
    result = config(FILE, *profiles)
    assert result.returncode == 0, result.stderr
    found: dict[str, dict[str, Any]] = json.loads(result.stdout)["services"]
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class S3Server:
    """A server that speaks S3, without buckets; the first write to a bucket makes it."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know of it, as boto3 and Beam read it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, *, secret_key: str | None = None) -> Any:
        """Boto3's client of it."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name=REGION,
        )


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """The service `s3` while it runs here: its own program, command and credentials, other ports, data in a folder."""
    service = services("s3")["s3"]
    names = [f"-{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    program, *options = service["entrypoint"]
    # The last of two equal options is the one that counts.
    here = [f"-dir={folder}", "-s3.ip.bind=127.0.0.1", *(f"{name}={port}" for name, port in ports.items())]
    command = [str(BIN / program), *options, *service["command"], *here]
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | service["environment"], stdout=stream, stderr=stream
        )
    try:
        endpoint = f"http://127.0.0.1:{ports['-s3.port']}"
        await_answer(f"{endpoint}/healthz", process, log)
        credentials = service["environment"]
        yield S3Server(endpoint, credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"])
    finally:
        process.kill()  # a clean stop takes a quarter of a minute
        process.wait()
        for port in ports.values():
            for left_over in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108  # where the server puts them
                left_over.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [taken.getsockname()[1] for taken in sockets]


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float = 60) -> None:
    """Return when the address answers; fails when its process ends before, or never answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", url, timeout=5, retries=False).status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
