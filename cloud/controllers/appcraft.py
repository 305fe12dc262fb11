"""What a rollout must know of apps. Pure."""

from datetime import datetime
from typing import Any

from msgspec import structs

from cloud.controllers.craft import Craft
from cloud.controllers.desired import fitting_twin
from cloud.kinds.app import App
from cloud.kinds.appinstance import AppInstance, AppInstanceSpec
from cloud.kinds.meta import LABEL_APP
from cloud.kinds.node import Node, is_ready
from edge.wire.manifest import RestartPolicy
from edge.wire.messages import AppState

ENDED_BADLY = frozenset(
    {AppState.TRAPPED, AppState.OUT_OF_BUDGET, AppState.OUT_OF_MEMORY, AppState.HUNG}
)


class AppCraft(Craft[App, AppInstance]):
    """Apps: the twin is live, everything else is another version."""

    work = App
    instance = AppInstance
    label = LABEL_APP

    def fingerprint(self, desired: Any) -> Any:
        """All but the twin: its values restart nothing."""
        return structs.replace(desired, twin={})

    def live(self, work: App, desired: Any) -> Any:
        """With those of the App's twin values that this version understands."""
        return structs.replace(desired, twin=fitting_twin(desired.manifest, work.spec.twin))

    def make(self, work: App, node: str, desired: Any, now: datetime) -> AppInstance:
        """As `Craft` says."""
        return AppInstance(
            metadata=self.frame(work, node),
            spec=AppInstanceSpec(app=work.metadata.name, node=node, desired=desired, changed=now),
        )

    def reachable(self, work: App, desired: Any, node: Node, instance: AppInstance | None) -> bool:
        """Connected."""
        _ = work, desired, instance
        return is_ready(node)

    def is_held(self, instance: AppInstance) -> bool:
        """`skerry agent hold`."""
        return instance.status.state is AppState.HELD

    def is_running(self, instance: AppInstance) -> bool:
        """As `Craft` says."""
        return instance.status.state is AppState.RUNNING

    def has_failed(self, instance: AppInstance) -> bool:
        """Whether what the node runs has failed, by what it said last."""
        status = instance.status
        if status.state is AppState.FAILED:
            return True
        if status.digest != instance.spec.desired.code_digest:
            return False  # the former version, while the new one is being fetched
        if status.reason == "CrashLoop":
            return True
        if status.state is AppState.EXITED:
            return bool(status.exit_code)
        return status.state in ENDED_BADLY and status.restarts > 0

    def is_good(self, instance: AppInstance) -> bool:
        """Whether the node runs what it shall and is ready, or ran it to a good end."""
        status, desired = instance.status, instance.spec.desired
        if (status.digest, status.version) != (desired.code_digest, desired.manifest.version):
            return False  # an older version answers while the new one is being fetched
        finished = status.state is AppState.EXITED and status.exit_code == 0
        return status.ready or (finished and desired.restart.policy is not RestartPolicy.ALWAYS)


APPS = AppCraft()
