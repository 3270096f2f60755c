"""A Redis Cluster of three primaries and three replicas on loopback: slots that move, primaries that die."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from alodial.store.keys import SLOTS
from alodial.testing.redis_server import EmbeddedRedis, free_port

NODE_TIMEOUT = 2.0
"""Seconds without an answer after which a node takes another one for dead."""


class RedisCluster:
    """``with`` starts all nodes and waits until each sees the same complete Cluster."""

    def __init__(self, folder: Path, *, options: tuple[str, ...] = (), fsync: str = "everysec") -> None:
        self.nodes = []
        for number in range(6):
            place = folder / f"node-{number}"
            place.mkdir(parents=True)
            own = (
                *("--cluster-enabled", "yes", "--cluster-node-timeout", str(int(NODE_TIMEOUT * 1000))),
                *("--cluster-port", str(free_port()), "--repl-diskless-sync-delay", "0"),
                *("--repl-ping-replica-period", "1", *options),
            )
            self.nodes.append(EmbeddedRedis(folder=place, fsync=fsync, options=own))

    @property
    def url(self) -> str:
        """Two of the nodes: the others are found."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[1:3])

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self.stop()
            raise
        return self

    def ask(self, number: int, *words: object) -> Any:
        """The answer of a node to one command."""
        with self.nodes[number].client() as client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def id(self, number: int) -> str:
        answer: bytes = self.ask(number, "CLUSTER", "MYID")
        return answer.decode()

    def _join(self) -> None:
        share = SLOTS // 3
        for number in range(3):
            last = SLOTS - 1 if number == 2 else (number + 1) * share - 1
            self.ask(number, "CLUSTER", "ADDSLOTS", *range(number * share, last + 1))
            self.ask(number, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = node._options[node._options.index("--cluster-port") + 1]
            self.ask(0, "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        self._wait(lambda number: b"cluster_known_nodes:6" in self.ask(number, "CLUSTER", "INFO"))
        for number in range(3, 6):
            self._wait_for(lambda number=number: self._follows(number))
        self._wait(self._complete)

    def _follows(self, number: int) -> bool:
        try:
            return bool(self.ask(number, "CLUSTER", "REPLICATE", self.id(number - 3)) == b"OK")
        except redis.ResponseError:  # it has not heard of it yet
            return False

    def _complete(self, number: int) -> bool:
        info = self.ask(number, "INFO", "replication")
        in_step = info.get("master_link_status") == "up" if number > 2 else info["connected_slaves"] == 1
        nodes = self.ask(number, "CLUSTER", "NODES")
        return in_step and b"cluster_state:ok" in self.ask(number, "CLUSTER", "INFO") and nodes.count(b"slave") == 3

    def _wait(self, condition: Any) -> None:
        for number in range(6):
            self._wait_for(lambda number=number: condition(number))

    @staticmethod
    def _wait_for(condition: Any) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "the nodes did not become a Cluster"
            time.sleep(0.05)

    def owner(self, slot: int) -> int:
        """The number of the node that owns the slot, by its own word."""
        for number in range(6):
            try:
                rows = self.ask(number, "CLUSTER", "NODES").decode().splitlines()
            except redis.ConnectionError:
                continue
            own = next(row.split(" ") for row in rows if "myself" in row)
            for part in own[8:]:
                first, _, last = part.partition("-")
                if not part.startswith("[") and int(first) <= slot <= int(last or first) and "master" in own[2]:
                    return number
        raise AssertionError(f"nobody owns slot {slot}")

    def move(self, slot: int, target: int) -> int:
        """Moves the slot as ``redis-cli --cluster reshard`` does, key by key; returns how many keys it had."""
        source, moved = self.owner(slot), 0
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id(target))
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.ask(source, "MIGRATE", "127.0.0.1", self.nodes[target].port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
        for number in (target, source, *range(6)):
            try:
                self.ask(number, "CLUSTER", "SETSLOT", slot, "NODE", self.id(target))
            except redis.RedisError:  # replicas learn it from their primaries
                continue
        return moved

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()
            node.stop()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
