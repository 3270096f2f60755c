"""Processor time: of the processes that a measurement started, and of everything else on the machine meanwhile."""

import os
import time
from pathlib import Path
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Moment(NamedTuple):
    """Seconds: of the clock, of all processors' work, and of this process with all that descend from it."""

    at: float
    busy: float
    own: float


def process_seconds(pid: int) -> float:
    """Processor seconds of a process, its threads and its ended children; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICK


def _parents() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue  # it ended meanwhile
    return parents


def tree(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents, known = _parents(), {pid}
    while more := {child for child, parent in parents.items() if parent in known} - known:
        known |= more
    return known


def tree_seconds(pid: int) -> float:
    """Processor seconds of a process and all that descend from it."""
    return sum(process_seconds(each) for each in tree(pid))


def moment() -> Moment:
    """Now. Linux only; elsewhere nothing counts as busy."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return Moment(time.monotonic(), 0.0, 0.0)
    user, nice, system, _idle, _wait, _irq, _softirq, stolen = fields
    return Moment(time.monotonic(), (user + nice + system + stolen) / TICK, tree_seconds(os.getpid()))


def foreign_load(before: Moment, after: Moment) -> float:
    """How many processors everything else kept busy, 0.0 to their number; what a hypervisor took counts as well."""
    took = max(after.at - before.at, 0.01)
    return max(0.0, ((after.busy - before.busy) - (after.own - before.own)) / took)
