"""Whatever happens to an app, one run at a time, and in the end the wanted one."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.lifecycle import AppLife, ChangeTwin, Prepare, Start, Stop
from edge.sandbox.exits import Exit, ExitKind
from edge.wire.messages import AppState, DesiredApp
from tests.support.specs import desired_app

SPECS = [
    desired_app(),
    desired_app(version="2.0.0", module="b"),
    desired_app(twin={"setpoint": 20}),
    desired_app(grants={"probe": "i2c-1:0x48"}),
]


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.life = AppLife("thermometer")
        self.now = 0.0
        self.generation = 0
        self.active: DesiredApp | None = None
        self.preparing = self.stopping = False

    @rule(spec=st.sampled_from(SPECS))
    def want(self, spec: DesiredApp) -> None:
        self.generation += 1
        self.life.want(spec, self.generation)

    @rule()
    def unwant(self) -> None:
        self.life.unwant()

    @rule(held=st.booleans())
    def hold(self, held: bool) -> None:
        self.life.hold(held=held)

    @rule()
    def restart(self) -> None:
        self.life.restart()

    @rule()
    def link_heals(self) -> None:
        self.life.retry_now()

    @rule(seconds=st.floats(0.1, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.active is not None)
    @rule(kind=st.sampled_from(ExitKind))
    def run_ends(self, kind: ExitKind) -> None:
        self.active, self.stopping = None, False
        self.life.ended(Exit(kind), self.now)

    @precondition(lambda self: self.preparing)
    @rule()
    def prepared(self) -> None:
        self.preparing = False
        self.life.prepared()

    @precondition(lambda self: self.preparing)
    @rule(unusable=st.booleans())
    def prepare_fails(self, unusable: bool) -> None:
        self.preparing = False
        self.life.prepare_failed("why", unusable=unusable, now=self.now)

    @rule()
    def perform(self) -> None:
        for action in self.life.decide(self.now):
            match action:
                case Prepare():
                    assert not self.preparing
                    self.preparing = True
                case Start(spec):
                    assert self.active is None
                    self.active = spec
                    self.life.started(self.now)
                case Stop():
                    assert self.active is not None
                    assert not self.stopping
                    self.stopping = True
                case ChangeTwin():
                    assert self.active is not None

    @invariant()
    def a_status_can_always_be_told(self) -> None:
        self.life.status(self.now)

    def teardown(self) -> None:
        wanted = desired_app(version="9.9.9", module="c")
        self.life.hold(held=False)
        self.life.want(wanted, self.generation + 1)
        for _ in range(6):
            self.perform()
            if self.preparing:
                self.prepared()
            if self.stopping:
                self.run_ends(ExitKind.STOPPED)
        assert self.active == wanted
        assert self.life.status(self.now).state is AppState.RUNNING


Life.TestCase.settings = settings(max_examples=150, deadline=None)
TestLife = Life.TestCase
