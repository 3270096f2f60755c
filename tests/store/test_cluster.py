"""A namespace on a Redis Cluster: who owns its slot, and what happens while the slot moves."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_namespaces import a_whole_life

from alodial import CallQueue, TwoWayCall
from alodial.errors import ConfigurationError, StoreUnavailable
from alodial.settings import Settings
from alodial.store.cluster import ClusterService, ClusterWatcher, read_nodes
from alodial.store.connect import read_cluster_url
from alodial.store.keys import SLOTS, keys_of, slot_of
from alodial.store.sentinel import SentinelAnswer
from alodial.testing.redis_server import EmbeddedRedis, free_port
from waiting import wait_until

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.4", 6379)
NODES = """\
a1 10.0.0.1:6379@16379,one.example master,fail - 0 0 1 disconnected 0-999 1001-5460 [1000->-b2]
b2 :6380@16380 myself,master - 0 0 2 connected 5461-10922
c3 fd00::3:6379@16379 master - 0 0 3 connected 1000 10923-16383
d4 10.0.0.4:6379@16379 slave b2 0 0 2 connected
e5 10.0.0.5:6379@16379 slave,fail? b2 0 0 2 connected
f6 :0@0 slave,noaddr b2 0 0 2 disconnected
"""


@pytest.mark.parametrize(
    ("slot", "owner", "replicas"),
    [(7, OLD, 0), (1000, ("fd00::3", 6379), 0), (5461, ("127.0.0.1", 6380), 1), (16383, ("fd00::3", 6379), 0)],
)
def test_a_node_says_who_owns_a_slot_and_how_many_replicas_may_follow(slot: int, owner: Any, replicas: int) -> None:
    view = read_nodes(NODES, slot, ("127.0.0.1", 1))
    assert (view.owner, view.replicas) == (owner, replicas)
    assert len(view.members) == 5  # without the one that has no address


def test_a_slot_that_nobody_owns_has_no_primary() -> None:
    assert read_nodes(NODES.replace(" 10923-16383", ""), 16383, ("127.0.0.1", 1)).owner is None


class Deaf(ClusterWatcher):
    """Asks nobody: the test says what the nodes answer."""

    def _begin_to_ask(self, number: int) -> None: ...


def test_an_owner_is_confirmed_by_most_of_all_nodes_and_not_by_most_of_those_that_answer() -> None:
    members = frozenset((f"10.0.0.{n}", 6379) for n in range(1, 7))
    watcher = Deaf(ClusterService(tuple(sorted(members)), "cluster", {}, slot=1000))
    now = time.monotonic()

    def say(*numbers: int, owner: Any) -> None:
        for number in numbers:
            watcher.report(number, SentinelAnswer(owner, 1, now, members))

    say(0, 1, 2, owner=OLD)
    assert (watcher.view.address, watcher.view.confirmed) == (OLD, False)
    say(3, owner=OLD)
    assert watcher.view.confirmed
    say(1, 2, 3, 4, owner=NEW)
    assert (watcher.view.address, watcher.view.confirmed, watcher.view.generation) == (NEW, True, 2)


def test_a_cluster_s_url_names_nodes_and_the_slot_is_that_of_the_namespace() -> None:
    service, options = read_cluster_url("redis+cluster://:p%40ss@s1,[::1]:7000/0?ssl=true", "sales")
    assert service.nodes == (("s1", 6379), ("::1", 7000))
    assert service.slot == slot_of("sales:events")
    assert options == {"username": None, "password": "p@ss", "ssl": True}
    with pytest.raises(ConfigurationError, match="name some nodes"):
        read_cluster_url("redis+cluster:///0", "sales")


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[list[EmbeddedRedis]]:
    """The first owns every slot; the second is known to it."""
    nodes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bus = str(free_port())
        options = ("--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-allow-replica-migration", "no")
        nodes.append(EmbeddedRedis(folder=tmp_path / name, options=options))
    try:
        for node in nodes:
            node.start()
        with nodes[0].client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)  # type: ignore[no-untyped-call]
            wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call]
        yield nodes
    finally:
        for node in nodes:
            node.kill()
            node.stop()


def on_cluster(node: EmbeddedRedis, namespace: str = "alodial") -> Settings:
    given: Any = {"redis_url": f"redis+cluster://127.0.0.1:{node.port}", "namespace": namespace}
    return Settings(_env_file=None, courtesy_hours="off", **given)


@pytest.mark.slow
@pytest.mark.parametrize("namespace", ["alodial", "sales"])
def test_a_whole_life_stays_in_one_slot(two_nodes: list[EmbeddedRedis], namespace: str) -> None:
    """A node in Cluster mode refuses every command and script that touches two."""
    settings = on_cluster(two_nodes[0], namespace)
    a_whole_life(settings)
    with two_nodes[0].client() as client:
        names: Any = client.keys("*")
    assert {slot_of(name.decode()) for name in names} == {slot_of(f"{namespace}:events")}
    assert keys_of(settings).BROKER_NAMESPACE.encode() in b" ".join(names)


@pytest.mark.slow
def test_no_script_runs_while_the_slot_moves(two_nodes: list[EmbeddedRedis]) -> None:
    """Half of a record's keys would be on the other node: a call that is there would be missing."""
    source, target = two_nodes
    with CallQueue(settings=on_cluster(source)) as queue, source.client() as client, target.client() as other:

        def ask(at: Any, *words: object) -> Any:
            return at.execute_command("CLUSTER", *words)

        call = queue.enqueue(CALL)
        ask(client, "MEET", "127.0.0.1", target.port, target._options[target._options.index("--cluster-port") + 1])
        target_id = ask(other, "MYID").decode()
        wait_until(lambda: target_id.encode() in ask(client, "NODES") and b"handshake" not in ask(client, "NODES"))
        ask(client, "SETSLOT", 1000, "MIGRATING", target_id)
        with pytest.raises(StoreUnavailable):
            queue.enqueue(CALL)
        with pytest.raises(StoreUnavailable):
            queue.cancel(call.id)
        assert queue.get(call.id).state == "queued"  # what is still there is read
        ask(client, "SETSLOT", 1000, "STABLE")
        queue.enqueue(CALL)
        assert len(queue.calls().calls) == 2
