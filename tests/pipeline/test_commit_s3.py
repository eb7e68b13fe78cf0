"""The commit to a bucket: killed at its steps, and with requests that fail, take too long, or succeed in silence."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from pipeline import housekeeping, snapshots
from tests.pipeline.running import prose, run
from tests.pipeline.stopping import STEPS, problems, publish, publisher, recorded
from transforms import s3


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output `out` with one snapshot, and an `addition` to it."""
    home = tmp_path_factory.mktemp("home")
    for name, number in (("out", 100), ("addition", 200)):
        (home / f"in-{name}").mkdir()
        (home / f"in-{name}" / f"{number}.txt").write_text(prose(number), encoding="utf-8")
        run(home / f"in-{name}", output=home / name, workers=1)
    return home


@pytest.fixture(scope="module")
def fresh(bucket: Any, home: Path) -> Callable[[], snapshots.Output]:
    """A function that puts a copy of `out` into the bucket."""
    numbers = itertools.count()

    def copied() -> snapshots.Output:
        prefix = f"commit/{next(numbers)}"
        for path in [home / "out/latest.json", *(home / "out/snapshots").rglob("*.*")]:
            if path.is_file():
                bucket.upload_file(str(path), f"{prefix}/{path.relative_to(home / 'out')}")
        return snapshots.Output(f"s3://mill/{prefix}")

    return copied


Fresh = Callable[[], snapshots.Output]


@pytest.fixture(scope="module")
def undisturbed(home: Path, fresh: Fresh) -> tuple[dict[str, Any], list[str]]:
    """The manifest where nothing goes wrong, and the steps to it in their order."""
    return recorded(fresh(), home / "addition")


def test_killed_at_each_step(home: Path, fresh: Fresh, undisturbed: tuple[dict[str, Any], list[str]]) -> None:
    manifest, steps = undisturbed
    assert set(steps) <= set(STEPS)
    with publisher() as kill_at:
        for step in steps:
            output = fresh()
            before = snapshots.read_base(output)
            assert kill_at(output.root, step, addition=str(home / "addition"))
            after = snapshots.read_base(output)
            assert (after == before) == (steps.index(step) < steps.index("pointer replaced"))
            assert problems(output) == []
            assert publish(output, str(home / "addition"))["digest"] == manifest["digest"]


# --- requests that go wrong


class Faults:
    """Stands between the client and the network, and makes requests go wrong."""

    def __init__(self, first: int, kind: str, lasts: str) -> None:
        self.first, self.kind, self.lasts = first, kind, lasts
        self.requests = 0
        self._hit: tuple[str, str] | None = None

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        self.requests += 1
        if self.requests == self.first:
            self._hit = request.method, request.url
        if self.requests < self.first or not self._is_hit(request):
            return None
        if self.kind.startswith("done, then"):
            URLLib3Session().send(request)
        if self.kind.endswith("500"):
            body = io.BytesIO(b"<Error><Code>InternalError</Code><Message>Try again.</Message></Error>")
            body.stream = lambda **_: iter([body.getvalue()])  # type: ignore[attr-defined]  # as the network's
            return AWSResponse(request.url, 500, {}, body)
        error = ReadTimeoutError if self.kind.endswith("timed out") else ConnectionClosedError
        raise error(endpoint_url=request.url)

    def _is_hit(self, request: AWSPreparedRequest) -> bool:
        if self.lasts == "once":
            return self.requests == self.first
        return self.lasts == "for good" or self._hit == (request.method, request.url)


KINDS = ["500", "reset", "timed out", "done, then 500", "done, then reset", "done, then timed out"]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Faults]:
    """A function that makes requests of the next commit go wrong."""
    commit = snapshots.commit
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))

    def set_up(first: int, kind: str, lasts: str) -> Faults:
        faults = Faults(first, kind, lasts)

        def commit_with_faults(*arguments: Any) -> dict[str, Any]:
            monkeypatch.setattr(snapshots, "commit", commit)
            events = s3.client().meta.events
            events.register("before-send.s3", faults)
            try:
                return commit(*arguments)
            finally:
                events.unregister("before-send.s3", faults)

        monkeypatch.setattr(snapshots, "commit", commit_with_faults)
        return faults

    return set_up


@pytest.fixture
def publish_with(
    home: Path, fresh: Fresh, undisturbed: tuple[dict[str, Any], list[str]], faulty: Callable[..., Faults]
) -> Callable[[int, str, str], int]:
    """A function that publishes while requests go wrong, and again when none does; how many requests there were."""
    manifest, addition = undisturbed[0], str(home / "addition")

    def published(first: int, kind: str, lasts: str) -> int:
        output = fresh()
        before = snapshots.read_base(output)
        faults = faulty(first, kind, lasts)
        said = None
        try:
            assert publish(output, addition)["digest"] == manifest["digest"]
        except OSError as error:
            said = str(error)
        assert problems(output) == []
        if said is None:
            assert snapshots.read_base(output).run_id != before.run_id
            return faults.requests
        assert lasts != "once"
        assert said.startswith(("nothing was published to 's3://mill", "whether s3://mill", "s3://mill"))
        assert snapshots.read_base(output) == before or "is not known" in said
        assert publish(output, addition)["digest"] == manifest["digest"]
        return faults.requests

    return published


@pytest.mark.parametrize("lasts", ["once", "that request", "for good"])
def test_each_request_in_turn_goes_wrong(lasts: str, publish_with: Callable[[int, str, str], int]) -> None:
    for first, kind in zip(itertools.count(1), itertools.cycle(KINDS), strict=False):
        if publish_with(first, kind, lasts) < first:
            assert first > 10
            break


@pytest.mark.parametrize("lasts", ["once", "that request"])
def test_the_write_of_the_pointer_goes_wrong(lasts: str, publish_with: Callable[[int, str, str], int]) -> None:
    requests = publish_with(sys.maxsize, "", lasts)  # that is the last one
    for kind in KINDS:
        publish_with(requests, kind, lasts)


# --- two runs at once


@pytest.fixture
def while_publishing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """A function that has something else happen once the next commit has written its manifest."""

    def happen(something: Callable[[], object]) -> None:
        def reached(step: str) -> None:
            if step == "manifest written":
                monkeypatch.undo()
                something()

        monkeypatch.setattr(snapshots, "reached", reached)

    return happen


def test_of_two_runs_at_once_the_second_publishes_nothing(
    home: Path, fresh: Fresh, while_publishing: Callable[[Callable[[], object]], None]
) -> None:
    output = fresh()
    (first,) = snapshots.run_ids(output)
    while_publishing(lambda: publish(output, str(home / "addition")))
    with pytest.raises(snapshots.BusyError, match=f"another run has published to '{output.root}' meanwhile"):
        publish(output, str(home / "addition"))
    assert snapshots.run_ids(output) == [first, snapshots.read_base(output).run_id]
    assert problems(output) == []


def test_of_two_first_runs_the_second_publishes_nothing(bucket: Any) -> None:
    output, nothing = snapshots.Output("s3://mill/first"), snapshots.Base(None, None, None)
    assert snapshots.read_base(output) == nothing
    snapshots.point_to(output, "20300101T000000Z-000001", "1" * 64, nothing.version)
    with pytest.raises(snapshots.BusyError):
        snapshots.point_to(output, "20300101T000000Z-000002", "2" * 64, nothing.version)
    assert b"000001" in bucket.Object("first/latest.json").get()["Body"].read()


def test_a_rollback_while_a_run_publishes(
    home: Path, fresh: Fresh, while_publishing: Callable[[Callable[[], object]], None]
) -> None:
    output = fresh()
    first = snapshots.read_base(output)
    publish(output, str(home / "addition"))
    while_publishing(lambda: housekeeping.roll_back(output, str(first.run_id)))
    with pytest.raises(snapshots.BusyError):
        publish(output, str(home / "addition"))
    assert snapshots.read_base(output) == first
    assert len(snapshots.run_ids(output)) == 2
    assert problems(output) == []


def test_a_store_that_takes_every_write_is_told_of(home: Path, fresh: Fresh, caplog: pytest.LogCaptureFixture) -> None:
    output = fresh()
    events = s3.client().meta.events

    def without_condition(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop("If-Match", None)

    publish(output, str(home / "addition"))
    assert "without a condition" not in caplog.text
    events.register("before-call.s3.PutObject", without_condition)
    try:
        publish(output, str(home / "addition"))
    finally:
        events.unregister("before-call.s3.PutObject", without_condition)
    assert f"{output.root} takes writes without a condition" in caplog.text
    assert problems(output) == []
