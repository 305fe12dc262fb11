"""Requests that schemathesis makes from the API's own OpenAPI document, sent to a real service."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode

from cloud.access.gate import Limits
from cloud.access.ratelimit import Rate
from cloud.kinds.meta import API_VERSION
from cloud.service import SCHEME
from tests.support.cloud import CloudService, cloud_service
from tests.support.credentials import headers

DOCUMENT = "/openapi/v3/apis/skerry.dev/v1alpha1"
EXAMPLES = 20
"""Of each operation, in each of two modes: what the document allows, and what it does not."""
KINDS = {each.plural: each.name for each in SCHEME.kinds}
UNBOUNDED = Rate(per_second=1e9, burst=1e9)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudService]:
    limits = Limits(api=UNBOUNDED, public=UNBOUNDED, joins=UNBOUNDED, failures=UNBOUNDED)
    with cloud_service(tmp_path_factory.mktemp("cloud"), access=limits) as running:
        yield running


def aimed(case: Any) -> Any:
    """The request at something that is there, where else each would end as unknown."""
    places = {"namespace": "default", "name": "fuzzed"}
    case.path_parameters = {name: places[name] for name in case.path_parameters or {}}
    if isinstance(case.body, dict):
        case.body["apiVersion"], case.body["kind"] = API_VERSION, KINDS[_plural(case.path)]
        if isinstance(case.body.get("metadata"), dict):
            case.body["metadata"] = {"name": "fuzzed"}
    return case


def _plural(path: str) -> str:
    return path.removesuffix("/{name}").rpartition("/")[2]


def operations(service: CloudService) -> Iterator[Any]:
    with service.client() as client:
        document = client.get(DOCUMENT).json()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        yield found.ok()


def test_every_kind_and_verb_is_in_the_document(service: CloudService):
    found = {(each.method.lower(), each.path) for each in operations(service)}
    apps = "/apis/skerry.dev/v1alpha1/namespaces/{namespace}/apps"
    assert {("get", apps), ("post", apps)} <= found
    assert {(verb, f"{apps}/{{name}}") for verb in ("get", "put", "patch", "delete")} <= found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_the_answer_is_no_failure_of_the_service(
    service: CloudService, mode: GenerationMode
):
    codes: Counter[int] = Counter()
    for operation in operations(service):
        if mode is GenerationMode.NEGATIVE and operation.method not in {"post", "put"}:
            continue  # nothing of it can be wrong but its name, which is text

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def send(case: Any) -> None:
            request = aimed(case) if mode is GenerationMode.POSITIVE else case
            answer = request.call(base_url=service.url, headers=headers(service.url))
            codes[answer.status_code] += 1
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)
            assert answer.status_code < 400 or answer.json()["kind"] == "Status", answer.text

        send()
    if mode is GenerationMode.POSITIVE:
        assert codes[200] > EXAMPLES, codes
        assert codes[201], codes
    else:
        assert codes[400] > EXAMPLES, codes
