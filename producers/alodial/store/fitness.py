"""How this Redis is set up, by its ``INFO`` alone: many hosted ones do not allow ``CONFIG``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEEPS_ALL = "noeviction"


@dataclass(frozen=True, slots=True)
class StoreFitness:
    """``policy`` is what a full Redis does, ``append_only`` whether a restart keeps its data, ``cluster`` whether it is a
    node of a Redis Cluster that the settings do not name as one."""

    policy: str = KEEPS_ALL
    append_only: bool = True
    cluster: bool = False

    @property
    def evicts(self) -> bool:
        """Whether it throws calls away when it is full."""
        return self.policy != KEEPS_ALL


FIT = StoreFitness()


def read_fitness(info: Mapping[str, Any], *, on_cluster: bool = False) -> StoreFitness:
    """Reads ``INFO``; ``on_cluster`` says that the settings name a Cluster.

    What it leaves out counts as sound: nobody can say otherwise."""
    policy = str(info.get("maxmemory_policy") or KEEPS_ALL)
    unexpected = bool(int(info.get("cluster_enabled", 0))) and not on_cluster
    return StoreFitness(policy, bool(int(info.get("aof_enabled", 1))), unexpected)
