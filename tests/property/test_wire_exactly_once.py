"""A node and a cloud through cuts, kills, stale connections and jumps of the clock.

Whatever happens, no record is stored twice; and once the trouble ends, every record that was
accepted is stored, the desired set is what the cloud wants, and the status is the last one.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.wire.session import CloudSession
from edge.wire.state import State
from tests.support.wire_world import Cloud, Link, Node

LINKS = 3
"""Connections at once, all but one of them stale."""
NAMES = st.sampled_from(["a", "b", "c"])


class World(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.node = Node()
        self.cloud = Cloud()
        self.links: list[Link] = []
        """Oldest first; all but the last are stale: the node has left them."""
        self.accepted: list[int] = []
        self.records = 0

    # --- what the apps and the operator do -----------------------------------------------------

    @rule(count=st.integers(1, 5), synced=st.booleans())
    def publish(self, count, *, synced):
        for _ in range(count):
            self.records += 1
            self.node.relaxed.append(self.records)
        if synced:
            self.accepted += self.node.sync()

    @rule()
    def change_status(self):
        self.node.health += 1

    @rule(name=NAMES, present=st.booleans())
    def want(self, name, present):
        self.cloud.want(name, present=present)

    # --- what happens to the link --------------------------------------------------------------

    @rule(ticks=st.integers(0, 12), batch=st.integers(1, 4))
    def all_is_well(self, ticks, batch):
        """The node has a connection, both programs run, and the link carries, for a while."""
        if self.node.session is None:
            self.connect()
        self.run(self.links[-1], ticks, batch)

    def connect(self):
        """The old connection, if there is one, stays behind with what is on its way."""
        if len(self.links) == LINKS:
            self.drop(self.links[0])
        for link in self.links:
            link.node = None
        self.links.append(Link(self.node.connect(self.now), CloudSession(self.now)))

    @rule(batch=st.integers(1, 4))
    def go_stale(self, batch):
        """A batch reaches the cloud, which is slow to store it; the node connects anew."""
        self.all_is_well(ticks=3, batch=1)
        self.publish(batch, synced=True)
        self.node.pump(batch)
        for _ in range(3):
            self.carry_up(self.links[-1])
        self.connect()

    @rule(up=st.integers(0, 3))
    @precondition(lambda self: self.links)
    def cut(self, up):
        """The oldest connection dies; some of what was on its way still arrives."""
        link = self.links[0]
        for _ in range(up):
            self.carry_up(link)
        self.drop(link)

    @rule(count=st.integers(1, 5), which=st.integers(0, 2))
    @precondition(lambda self: self.links)
    def carry(self, count, which):
        link = self.links[which % len(self.links)]
        for _ in range(count):
            self.carry_up(link)
            self.carry_down(link)

    @rule(seconds=st.sampled_from([-50.0, 0.5, 14.0, 14.0, 16.0, 1e6]))
    def time_jumps(self, seconds):
        self.now += seconds
        for link in list(self.links):
            self.cloud.take(link, link.cloud.handle_timer(self.now))
            if link.node is not None:
                self.node.take(link.node.handle_timer(self.now))

    # --- what the two programs do --------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def node_sends(self, count):
        self.node.pump(count)

    @rule()
    def node_applies(self):
        self.node.apply()

    @rule()
    @precondition(lambda self: self.node.steps)
    def node_is_killed_between_persisting_and_acknowledging(self):
        self.node.apply(acknowledge=False)
        self.kill_node()

    @rule(which=st.integers(0, 2))
    @precondition(lambda self: any(link.received for link in self.links))
    def cloud_stores(self, which):
        """Of any connection: a stale one's batch may be stored after a newer one's."""
        waiting = [link for link in self.links if link.received]
        self.cloud.store(waiting[which % len(waiting)])

    @rule()
    @precondition(lambda self: self.links and self.links[-1].received)
    def cloud_stores_and_the_link_breaks_before_the_acknowledgement(self):
        self.cloud.store(self.links[-1], acknowledge=False)
        self.drop(self.links[-1])

    @rule()
    @precondition(lambda self: self.links)
    def cloud_steers(self):
        self.cloud.steer(self.links[-1])

    @rule(what=st.sampled_from(["node", "node", "cloud", "cloud", "card"]))
    def disaster(self, what):
        {"node": self.kill_node, "cloud": self.kill_cloud, "card": self.flash_anew}[what]()

    def kill_node(self):
        self.node.start()
        for link in self.links:
            link.node = None

    def kill_cloud(self):
        for link in list(self.links):
            self.drop(link)
        self.cloud.restart()

    def flash_anew(self):
        """A new card: what was not stored is lost with the old one, and the numbers start again."""
        lost = {int.from_bytes(each.payload[:4], "big") for each in self.node.disk.entries}
        self.accepted = [record for record in self.accepted if record not in lost]
        self.accepted += [record for record in self.cloud.disk.rows if record in lost]
        epoch = self.node.disk.epoch + 1
        for link in list(self.links):
            self.drop(link)
        self.node = Node()
        self.node.disk.epoch = epoch

    # --- what must always hold -----------------------------------------------------------------

    @invariant()
    def nothing_is_stored_twice(self):
        rows = self.cloud.disk.rows
        assert len(rows) == len(set(rows))

    @invariant()
    def nothing_is_both_trimmed_and_unstored(self):
        held = {int.from_bytes(each.payload[:4], "big") for each in self.node.disk.entries}
        assert set(self.accepted) <= held | set(self.cloud.disk.rows)

    def teardown(self):
        self.accepted += self.node.sync()
        while self.links:
            self.drop(self.links[0])
        self.connect()
        link = self.links[-1]
        self.run(link, ticks=40 + 4 * len(self.accepted), batch=4)
        assert link.cloud.state is State.OPEN
        assert sorted(self.cloud.disk.rows) == sorted(self.accepted)
        assert self.node.disk.entries == []
        assert self.node.disk.desired == self.cloud.disk.wanted
        assert self.cloud.disk.health == self.node.health

    def run(self, link, ticks, batch):
        for _ in range(ticks):
            self.node.pump(batch)
            self.cloud.steer(link)
            self.carry_up(link)
            self.carry_down(link)
            self.node.apply()
            self.cloud.store(link)

    # --- the link itself -----------------------------------------------------------------------

    def carry_up(self, link):
        if link.node is not None:
            link.up += link.node.outgoing()
        if link.up:
            self.cloud.take(link, link.cloud.receive(link.up.popleft(), self.now))

    def carry_down(self, link):
        link.down += link.cloud.outgoing()
        if link.down and link.node is not None:
            self.node.take(link.node.receive(link.down.popleft(), self.now))

    def drop(self, link):
        self.links.remove(link)
        if link.node is not None and self.node.session is link.node:
            self.node.session = None
            self.node.start_of_session()


TestExactlyOnce = World.TestCase
TestExactlyOnce.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
