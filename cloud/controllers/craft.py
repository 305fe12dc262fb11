"""What a rollout must know of a kind of work: what is another version, what is good, what has failed.

Pure. `apps` and `firmware` are the crafts there are; `rollout` and `carrying` are blind to the kind.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from cloud.errors import CloudError
from cloud.kinds.meta import API_VERSION, LABEL_NODE, Metadata, OwnerReference
from cloud.kinds.node import Node
from cloud.kinds.work import Instance, Work, WorkStatus, instance_name

W = TypeVar("W", bound=Work)
N = TypeVar("N", bound=Instance)

_encode = msgspec.json.Encoder(order="deterministic").encode


class SpecError(CloudError, ValueError):
    """The spec does not fit the artifact; `reason` is one word for a condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.digest = ""
        """Of the artifact, where it was found."""


class Craft(ABC, Generic[W, N]):
    """One kind of work and its instances; holds nothing."""

    work: type[W]
    instance: type[N]
    label: str
    """On an instance: whose it is."""
    absent = "offline"
    """What keeps a node from being changed now, in words for a status."""

    def fingerprint(self, desired: Any) -> Any:
        """`desired` without what a node takes over in passing: equal ones are one version."""
        return desired

    def live(self, work: W, desired: Any) -> Any:
        """`desired`, perhaps of an older version, with what changes without a rollout."""
        _ = work
        return desired

    @abstractmethod
    def make(self, work: W, node: str, desired: Any, now: datetime) -> N:
        """The first instance on a node, with the metadata that `frame` gives."""

    @abstractmethod
    def reachable(self, work: W, desired: Any, node: Node, instance: N | None) -> bool:
        """Whether the node could change now."""

    @abstractmethod
    def is_held(self, instance: N) -> bool:
        """Whether a person keeps the node from changing."""

    @abstractmethod
    def is_running(self, instance: N) -> bool:
        """Whether the node says that it runs."""

    @abstractmethod
    def has_failed(self, instance: N) -> bool:
        """Whether what the node shall have has failed, by what it said last."""

    @abstractmethod
    def is_good(self, instance: N) -> bool:
        """Whether the node has what it shall have, and it is well."""

    def matters(self, node: Node) -> object:
        """What of a node, beside its labels and whether it is there, changes a plan."""
        _ = node
        return None

    def told(self, status: WorkStatus, desired: Any, current: Sequence[N]) -> WorkStatus:
        """The status with what only this kind says; `current` are to have the present version."""
        _ = desired, current
        return status

    # --- what follows from the above -------------------------------------------------------------

    def same_version(self, one: Any, other: Any) -> bool:
        """Whether going from one to the other is no rollout."""
        return same(self.fingerprint(one), self.fingerprint(other))

    def attempt_of(self, work: W, desired: Any) -> str:
        """Names one try of a change: another version or way to roll it out is another try."""
        content = _encode((self.fingerprint(desired), work.spec.rollout))
        return hashlib.sha256(content).hexdigest()[:16]

    def frame(self, work: W, node: str) -> Metadata:
        """Metadata of the instance of `work` on a node."""
        name = work.metadata.name
        return Metadata(
            name=instance_name(name, node),
            namespace=work.metadata.namespace,
            labels={self.label: name, LABEL_NODE: node},
            owner_references=[owner(work)],
        )


def owner(work: Work) -> OwnerReference:
    """What an instance says of whom it belongs to."""
    return OwnerReference(
        api_version=API_VERSION,
        kind=work.kind,
        name=work.metadata.name,
        uid=work.metadata.uid,
        controller=True,
    )


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: unlike `==`, 1, 1.0 and true are three values."""
    return _encode(one) == _encode(other)
