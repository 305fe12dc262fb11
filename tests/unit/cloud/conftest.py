"""One service for all tests of the API: each uses names of its own."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.cloud import CloudService, cloud_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudService]:
    with cloud_service(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session")
def api(service: CloudService) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
