"""The Lua scripts, put together with the transition table that they obey."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from alodial_schemas import ENDS, TRANSITIONS, State

NAMES = (
    "enqueue",
    "claim",
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
    "fill",
    "steer",
    "redial",
    "relay",
    "delivered",
    "dead",
)

EVENTS_CAP = 1_000_000
"""The event stream never holds more, whoever reads it or not: about 450 MB."""


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script: its name, its whole text and the SHA-1 that Redis knows it by."""

    name: str
    text: str
    sha: str


def transition_tables() -> str:
    """The transition table as Lua source, so that it is written once, in alodial_schemas."""
    rows = ", ".join(
        f"{state} = {{ {', '.join(f'{to} = 1' for to in sorted(TRANSITIONS.get(state, frozenset())))} }}"
        for state in State
    )
    ends = ", ".join(f"{state} = 1" for state in sorted(ENDS))
    return f"local T = {{ {rows} }}\nlocal ENDS = {{ {ends} }}\n"


@cache
def load_scripts(retain_ms: int) -> dict[str, Script]:
    """All scripts; ``retain_ms`` is how long a record is kept after the call's end."""
    folder = resources.files(__package__) / "lua"
    head = f"local RETAIN = {retain_ms}\nlocal EVENTS_CAP = {EVENTS_CAP}\n{transition_tables()}"
    shared = "".join((folder / f"{name}.lua").read_text("utf-8") for name in ("prelude", "campaign", "lists"))
    scripts = {}
    for name in NAMES:
        own = (folder / f"{name}.lua").read_text("utf-8")
        # The script's own text is a function, so that what its moves mean for campaigns and counters is written after it,
        # once.
        after = "look_after_touched()\nwrite_lists()\nwrite_ticks()\n"
        text = f"{head}{shared}local function main()\n{own}\nend\nlocal said = main()\n{after}return said\n"
        scripts[name] = Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return scripts
