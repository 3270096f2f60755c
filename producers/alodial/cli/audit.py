"""``alodial audit``: which key or person did what; and how commands leave their own entries."""

import socket
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from .arguments import Json, parse_time
from .local_time import local_time
from .output import document, say, table
from .session import current_actor, open_queue

READ_ONLY = frozenset(
    {
        *("calls list", "calls show", "campaign check", "campaign list", "campaign show", "campaign watch"),
        *(
            "campaign activity",
            "campaign template",
            "report outcomes",
            "report hours",
            "report campaigns",
            "dnc list",
            "dead list",
            "dead show",
            "events",
            "webhooks list",
        ),
        *(
            "webhooks secret",
            "keys list",
            "audit",
            "archive status",
            "status",
            "top",
            "logs",
            "doctor",
            "bench",
            "worker",
            "web",
            "sandbox",
            "demo",
            "dev",
            "init",
            "completion",
        ),
    }
)
"""Commands that change nothing and hand out no list. Every other leaves an entry."""

TARGETS = ("name", "names", "numbers", "id", "ids", "endpoint", "endpoints", "file", "path", "account", "reason")


def leave_entries(app: typer.Typer, path: tuple[str, ...] = ()) -> None:
    """Makes every command of an app that changes something leave an entry in the audit."""
    for info in app.registered_commands:
        callback = info.callback
        if callback is not None:
            name = " ".join((*path, info.name or callback.__name__.replace("_", "-")))
            if name not in READ_ONLY:
                info.callback = _audited(name, callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            leave_entries(group.typer_instance, (*path, group.name or ""))


def _audited(name: str, command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def run(**values: Any) -> Any:
        try:
            answer = command(**values)
        except typer.Exit as end:
            # Some of it was done, such as an import with bad rows.
            _write(name, values, {"exit": end.exit_code} if end.exit_code else {})
            raise
        _write(name, values, {})
        return answer

    return run


def _write(name: str, values: Mapping[str, Any], details: dict[str, Any]) -> None:
    from alodial_schemas import mask_numbers

    from ..errors import AlodialError
    from ..store import audit

    parts = [values[key] for key in TARGETS if values.get(key)]
    words = [str(word) for part in parts for word in (part if isinstance(part, list | tuple) else (part,))]
    entry = audit.entry(
        int(time.time() * 1000),
        actor=current_actor(),
        address=socket.gethostname(),
        act=name,
        target=mask_numbers(" ".join(words))[:200],
        via="cli",
        details=details,
    )
    try:
        with open_queue() as queue:
            audit.write(queue.store, entry, own=False, keep=queue.settings.audit_keep)
    except AlodialError as exc:
        say(f"warning: it was done, and the audit has no entry of it: {exc}")


def audit(
    since: Annotated[str | None, typer.Option(help="From this time on: 2h, 1d, or 2026-11-23T14:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100,
    verify: Annotated[bool, typer.Option("--verify", help="Check that no entry was changed or removed.")] = False,
    as_json: Json = False,
) -> None:
    """Show which key or person did what, oldest first; with --verify check the chain of their hashes.

    Example: alodial audit --since 1d
    """
    from ..store import audit as store

    with open_queue() as queue:
        if verify:
            checks = [queue.store.run_steps(store.verify, own=own) for own in (False, True)]
            for check in checks:
                if as_json:
                    document({"own": check.own, "entries": check.entries, "broken": check.broken, "head": check.head})
                elif check.broken:
                    say(f"error: {check.entries} entries; the chain is broken at {check.broken}")
                else:
                    say(
                        f"{check.entries} entries of {'keys marked own' if check.own else 'operators'}: unbroken; "
                        f"the newest hash is {check.head or 'none'}"
                    )
            if any(check.broken for check in checks):
                raise typer.Exit(1)
            return
        within = {"since": parse_time("--since", since), "until": parse_time("--until", until)}
        lines = [line.to_dict() for line in reversed(queue.store.run_steps(store.page, **within, limit=limit))]
    if as_json:
        for line in lines:
            document(line)
    elif lines:
        columns = ("at", "actor", "address", "act", "target", "via")
        rows = [(local_time(line["at"]), *(line[name] for name in columns[1:])) for line in lines]
        table(columns, rows, sentences=["target"])
    else:
        say("no acts")
