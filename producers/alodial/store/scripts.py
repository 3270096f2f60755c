"""Loads the Lua scripts and puts the transition table that they obey in front."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from alodial_schemas import ENDS, TRANSITIONS, State

from ..settings import Settings
from .memory import FULL_SHARE
from .row_outcomes import LETTERS
from .script_parts import Part, assemble, split

NAMES = (
    "enqueue",
    "claim",
    "confirm",
    "arm",
    "settle",
    "apply",
    "cancel",
    "pace",
    "sweep",
    "park",
    "trim",
    "resume",
    "create",
    "append",
    "finish",
    "drop",
    "fill",
    "steer",
    "forbid",
    "forget",
    "calendar",
    "redial",
    "release",
    "relay",
    "delivered",
    "dead",
    "tidy",
    "primary",
    "repeat",
    "stop",
    "audit",
    "session",
    "draft",
    "shared",
    "archived",
    "restore",
)

CONFIRMED = frozenset(
    {
        "enqueue",
        "arm",
        "cancel",
        "redial",
        "resume",
        "create",
        "append",
        "finish",
        "steer",
        "drop",
        "forbid",
        "forget",
        "stop",
    }
)
"""Scripts whose answer promises something: with ``ALODIAL_DURABILITY=replica`` it waits for the replicas."""

CREATING = frozenset({"enqueue", "create"})
"""Scripts that make calls: before its first one a process looks at the store's mark."""

WHEN_FULL = frozenset(
    {"stop", "resume", "cancel", "steer", "drop", "forbid", "forget", "settle", "apply", "park", "sweep", "repeat"}
    | {"trim", "tidy", "delivered", "primary", "audit", "session", "draft", "shared", "archived", "restore"}
)
"""Scripts that run although Redis is full: they hold calls back, write down what rang already or who did
it, let people in to stop calls, or make room.

Redis lets a script grow once it has written something; a deletion is always let through. ``flags=allow-oom`` says the same,
but Redis 6.2 does not know it.
"""

EARLY = {"enqueue": "enqueue_alone"}
"""Scripts that do the most frequent kind of their work before they make their functions, and the files that say how."""

SHARED = ("prelude", "campaign", "lists", "clock", "account", "quota", "names")
"""Files of shared functions, in the order in which they build on each other."""


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script: its name, its whole text and the SHA-1 that Redis knows it by."""

    name: str
    text: str
    sha: str


def retention_ms(settings: Settings) -> tuple[int, int]:
    """How long a record and its idempotency keys are kept after the call's end, as :func:`load_scripts` takes them."""
    return int(settings.call_retention * 1000), int(settings.idempotency_retention * 1000)


def _transition_tables() -> str:
    """The transition table of alodial_schemas and the bytes of row outcomes as Lua source."""
    # Texts where a table would do: Redis makes a table anew in each run, entry by entry.
    ways = " ".join(f"{state}>{to}" for state in State for to in sorted(TRANSITIONS.get(state, frozenset())))
    ends = ", ".join(f"{state} = 1" for state in sorted(ENDS))
    letters = " ".join(f"{label}={letter}" for label, letter in LETTERS.items())
    return f"local WAYS = ' {ways} '\nlocal ENDS = {{ {ends} }}\nlocal ROW_END = ' {letters} '\n"


def shared_parts(retain_ms: int, keep_ms: int) -> list[Part]:
    """What scripts share, with the times that :func:`load_scripts` takes."""
    folder = resources.files(__package__) / "lua"
    head = f"local RETAIN = {retain_ms}\nlocal KEEP = {keep_ms}\nlocal FULL = {FULL_SHARE}\n{_transition_tables()}"
    return split(head + "".join((folder / f"{name}.lua").read_text("utf-8") for name in SHARED))


@cache
def load_scripts(retain_ms: int, keep_ms: int) -> dict[str, Script]:
    """All scripts by name.

    ``retain_ms`` is how long a record is kept after its call's end, ``keep_ms`` how long its idempotency keys are.
    """
    folder = resources.files(__package__) / "lua"
    shared = shared_parts(retain_ms, keep_ms)

    def source(name: str) -> str:
        return (folder / f"{name}.lua").read_text("utf-8")

    scripts = {}
    for name in NAMES:
        first = "redis.call('DEL', KEYS[1] .. 'none')\n" if name in WHEN_FULL else ""
        text = first + assemble(shared, source(name), source(EARLY[name]) if name in EARLY else "")
        scripts[name] = Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return scripts
