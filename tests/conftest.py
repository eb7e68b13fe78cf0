"""Settings of every test, and the S3 server that several of them share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.compose import S3Server, s3_server

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("millstream", deadline=None)
settings.load_profile("millstream")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS of the tests' own. Each test takes a bucket of another name: nothing is removed between them."""
    with s3_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
