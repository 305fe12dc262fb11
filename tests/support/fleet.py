"""Nodes, apps and instances as values, and a fleet that answers plans as boards would."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from cloud.controllers.appcraft import APPS
from cloud.controllers.rollout import Change, Plan, plan_rollout
from cloud.kinds.app import App, AppSpec
from cloud.kinds.appinstance import AppInstance, AppInstanceStatus, observed
from cloud.kinds.meta import Metadata, set_conditions, with_metadata
from cloud.kinds.node import Node, NodeSpec, NodeStatus, ready_condition
from cloud.kinds.work import ArtifactRef, RolloutSpec
from edge.wire.manifest import AppManifest, TwinProperty, TwinType
from edge.wire.messages import AppState, AppStatus, DesiredApp, Module

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TWIN = {
    "setpoint": TwinProperty(type=TwinType.NUMBER, min=5.0, max=30.0),
    "enabled": TwinProperty(type=TwinType.BOOLEAN),
    "seen": TwinProperty(type=TwinType.INTEGER, access="ReadOnly"),
}


def module(version: str) -> Module:
    digest = "sha256:" + f"{sum(map(ord, version)):x}".rjust(64, "0")
    return Module(repository="thermo", digest=digest, size=100)


def desired(version: str = "1.0.0", **changes: Any) -> DesiredApp:
    manifest = AppManifest(name="thermo", version=version, twin=TWIN)
    return structs.replace(DesiredApp(manifest=manifest, module=module(version)), **changes)


def app(generation: int = 1, **rollout: Any) -> App:
    """Without canaries and ten at a time, unless a test is about them."""
    return App(
        metadata=Metadata(name="thermo", namespace="default", uid="u-app", generation=generation),
        spec=AppSpec(
            artifact=ArtifactRef(repository="thermo", reference="1"),
            rollout=RolloutSpec(**{"canaries": 0, "concurrency": 10, **rollout}),
        ),
    )


def node(
    name: str,
    *,
    online: bool = True,
    unschedulable: bool = False,
    since: datetime = NOW,
    **labels: str,
) -> Node:
    conditions = set_conditions([], [ready_condition(connected=online)], since)
    return Node(
        metadata=Metadata(name=name, labels=labels),
        spec=NodeSpec(unschedulable=unschedulable),
        status=NodeStatus(conditions=conditions),
    )


class Fleet:
    """Carries out plans; `behave` says what a node reports of what it runs."""

    def __init__(self, nodes: Iterable[Node], behave: "Behaviour") -> None:
        self.nodes = {each.metadata.name: each for each in nodes}
        self.behave = behave
        self.instances: dict[str, AppInstance] = {}
        self.now = NOW
        self.app = app()
        self.most_changing = 0
        """Nodes that were changing at one time, at most."""

    def plan(self, wanted: DesiredApp) -> Plan[AppInstance]:
        return plan_rollout(
            Change(APPS, self.app, wanted),
            [*self.nodes.values()],
            [*self.instances.values()],
            self.now,
        )

    def step(self, wanted: DesiredApp) -> Plan[AppInstance]:
        """Plan, carry out, count what changes, let online nodes answer."""
        plan = self.plan(wanted)
        self.app = structs.replace(self.app, status=plan.status)
        for instance in plan.create:
            self.instances[instance.spec.node] = with_metadata(instance, generation=1)
        for instance in plan.update:
            old = self.instances[instance.spec.node]
            generation = old.metadata.generation + (old.spec != instance.spec)
            self.instances[instance.spec.node] = with_metadata(instance, generation=generation)
        for instance in plan.delete:
            del self.instances[instance.spec.node]
        self.most_changing = max(self.most_changing, self._changing())
        for name, instance in self.instances.items():
            if self.online(name):
                self.instances[name] = self.answer(instance)
        return plan

    def settle(self, wanted: DesiredApp, limit: int = 200) -> Plan[AppInstance]:
        """Steps until nothing is left to do."""
        for _ in range(limit):
            before = (dict(self.instances), self.app.status)
            plan = self.step(wanted)
            if plan.again is not None:
                self.now += plan.again
                continue
            if (dict(self.instances), self.app.status) == before:
                return plan
        raise AssertionError("the rollout never settles")

    def online(self, name: str) -> bool:
        return name in self.nodes and self.nodes[name].status.conditions[0].status.value == "True"

    def set_online(self, name: str, *, online: bool, since: datetime = NOW) -> None:
        self.nodes[name] = node(name, online=online, since=since)

    def answer(self, instance: AppInstance) -> AppInstance:
        said = self.behave(instance.spec.node, instance.spec.desired)
        if said is None:
            return instance
        return observed(instance, said, instance.metadata.generation, self.now, self.now)

    def versions(self) -> dict[str, str]:
        return {name: each.spec.desired.manifest.version for name, each in self.instances.items()}

    def _changing(self) -> int:
        """Nodes that have time left to answer and have not."""
        patience = timedelta(seconds=self.app.spec.rollout.progress_deadline_seconds)
        return sum(
            self.online(each.spec.node)
            and self.now - (each.spec.changed or self.now) < patience
            and each.status.observed_generation != each.metadata.generation
            for each in self.instances.values()
        )


Behaviour = Callable[[str, DesiredApp], AppStatus | None]


def ready(_: str, spec: DesiredApp) -> AppStatus:
    """Every app runs well."""
    return AppStatus(
        state=AppState.RUNNING,
        ready=True,
        digest=spec.code_digest,
        version=spec.manifest.version,
    )


def trapped(_: str, spec: DesiredApp) -> AppStatus:
    """Every app traps when it starts."""
    return AppStatus(
        state=AppState.TRAPPED,
        message="unreachable executed",
        restarts=1,
        digest=spec.code_digest,
        version=spec.manifest.version,
    )


def traps_in(version: str) -> Behaviour:
    """Only one version traps."""
    return lambda name, spec: (trapped if spec.manifest.version == version else ready)(name, spec)


def status_of(**values: Any) -> AppInstanceStatus:
    return AppInstanceStatus(**values)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
