"""The list of commands in `alodial --help`, grouped by what people want to do. Without rich, which would double the time."""

from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Begin": ("init", "dev", "demo", "sandbox", "provider", "completion"),
    "Place and follow calls": ("call", "calls", "campaign", "dnc", "report"),
    "Run": ("worker", "web", "archive", "status", "top", "doctor", "bench", "logs", "stop", "resume"),
    "Events and results": ("events", "webhooks", "alerts", "dead", "channels"),
    "Access and privacy": ("keys", "audit", "forget"),
}
"""The commands under each title; one that is in none comes last, under "Other"."""

WHOLE = 200
"""Characters above which the help of a command would be cut off: more than any has, as lines wrap."""

OTHER_WORDS = {
    **dict.fromkeys(("findings", "problems", "health", "workers"), "status"),
    **dict.fromkeys(("explain", "why"), "calls show"),
    **dict.fromkeys(("settings", "config"), "doctor"),
    "enqueue": "call two-way",
    "list": "calls list",
}
"""Words that people type for a command of ours, and that command."""


class GroupedHelp(TyperGroup):
    """The program's group of commands, whose help has a section for each purpose."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the sections into the help."""
        left = {name: self.commands[name] for name in self.list_commands(ctx) if not self.commands[name].hidden}
        for title, names in (GROUPS | {"Other": tuple(left)}).items():
            rows = [(name, left.pop(name).get_short_help_str(WHOLE)) for name in names if name in left]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def command_elsewhere(root: Any, group: str, name: str) -> str:
    """The command ``name`` of the group whose name is nearest to ``group``: `call show` means `alodial calls show`.

    The only one where no group is near, else what ``OTHER_WORDS`` says; "" where several are as likely, or none has it.
    """
    if name in root.commands:
        return f"alodial {name}"
    groups = [title for title, command in root.commands.items() if name in getattr(command, "commands", {})]
    likely = get_close_matches(group, groups, 1) or (groups if len(groups) == 1 else [])
    if likely:
        return f"alodial {likely[0]} {name}"
    return f"alodial {OTHER_WORDS[name]}" if name in OTHER_WORDS else ""
