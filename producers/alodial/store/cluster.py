"""Follows the node of a Redis Cluster that owns the slot of a namespace.

All keys of a namespace are in one slot, so that its store is on one node at a time, as behind Sentinels. Every node of the
Cluster, replicas too, is asked twice a second who owns the slot: the set of nodes stays the same in a failover and when a
slot moves, any two majorities of it share a node, and a node goes only forward. So nobody confirms the old owner more
than two seconds after somebody saw a majority name the new one. While the slot's keys move, one by one, Redis runs no
script of ours (TRYAGAIN): the prefix, which each one names among its keys, is the key of nothing. The store counts as away then.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .sentinel import ASK_EVERY, Address, SentinelAnswer, SentinelService, SentinelWatcher

_GONE = frozenset({"noaddr", "handshake"})
_DOWN = frozenset({"fail", "fail?", *_GONE})


@dataclass(frozen=True)
class ClusterService(SentinelService):
    """A slot of a Cluster: the addresses of some of its nodes, and how to sign in to all of them."""

    slot: int = field(default=0)

    @property
    def key(self) -> tuple[Any, ...]:
        return (*super().key, self.slot)

    def watcher(self) -> "ClusterWatcher":
        return ClusterWatcher(self)


class ClusterView(NamedTuple):
    """What a node says: who owns the slot, how many of its replicas are in step, and every node."""

    owner: Address | None
    replicas: int
    members: frozenset[Address]


class _Node(NamedTuple):
    id: str
    address: Address
    flags: frozenset[str]
    primary: str
    link: str
    slots: Sequence[str]


def read_nodes(text: str, slot: int, own: Address) -> ClusterView:
    """Reads the answer of ``CLUSTER NODES`` by the node at ``own``, which may not know its own address."""
    nodes = [node for line in text.splitlines() if (node := _node(line, own[0])) is not None]
    owner = next((node for node in nodes if any(_holds(part, slot) for part in node.slots)), None)
    members = frozenset(node.address for node in nodes)
    if owner is None:
        return ClusterView(None, 0, members)
    fit = (node for node in nodes if node.primary == owner.id and not node.flags & _DOWN and node.link == "connected")
    return ClusterView(owner.address, sum(1 for _ in fit), members)


def _node(line: str, default_host: str) -> _Node | None:
    id, place, flags, primary, _, _, _, link, *slots = line.split(" ")
    host, _, port = place.partition("@")[0].rpartition(":")
    words = frozenset(flags.split(","))
    if words & _GONE:
        return None
    return _Node(id, (host.strip("[]") or default_host, int(port)), words, primary, link, slots)


def _holds(part: str, slot: int) -> bool:
    if part.startswith("["):  # a slot on its way
        return False
    first, _, last = part.partition("-")
    return int(first) <= slot <= int(last or first)


class ClusterWatcher(SentinelWatcher):
    """Knows the owner of one slot. Use :func:`~.sentinel.watch`: it shares one watcher in a process."""

    _service: ClusterService

    def __init__(self, service: ClusterService) -> None:
        self._members: dict[int, frozenset[Address]] = {}
        super().__init__(service)

    def report(self, number: int, answer: SentinelAnswer | None) -> None:
        """As :meth:`SentinelWatcher.report`; asks nodes that the answer names from now on too."""
        if answer is not None:
            self._members[number] = answer.members
            with self._changed:
                for address in sorted(answer.members - set(self._nodes)):
                    self._nodes.append(address)
                    self._answers.append(None)
                    self._misses.append(2)
                    self._begin_to_ask(len(self._nodes) - 1)
        super().report(number, answer)

    def _voters(self, fresh: Sequence[SentinelAnswer]) -> int:
        return len(frozenset().union(*(answer.members for answer in fresh)))

    def _listen(self, client: Any, listener: Any) -> Any:
        time.sleep(ASK_EVERY)
        return None

    def _ask(self, client: Any, number: int) -> SentinelAnswer:
        asked_at = time.monotonic()
        # As two words: redis-py would make a mapping of the answer, by addresses that need not be there.
        answer = client.execute_command("CLUSTER", "NODES")
        view = read_nodes(answer.decode(), self._service.slot, self._nodes[number])
        return SentinelAnswer(view.owner, view.replicas, asked_at, view.members)
