"""``alodial events``: the stream of what happened."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .output import console, document, styled

if TYPE_CHECKING:
    from ..queue import CallQueue


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    start: Annotated[
        str, typer.Option("--from", help="0: the oldest event kept; now: only new ones; or an event's stream id.")
    ] = "0",
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as completed; may be repeated.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Read as a member of this group: each event once, acknowledged when printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The CloudEvents JSON, one a line.")] = False,
) -> None:
    """Print events: every change of every call, and results that matched nothing.

    Example: alodial events --follow --type completed --json
    """
    from alodial_schemas import EVENT_TYPES, parse_event  # noqa: PLC0415  # --help need not load it

    from ..queue import CallQueue  # noqa: PLC0415  # as above

    wanted = set()
    for word in kind or []:
        full = word if word.startswith("alodial.") else f"alodial.call.{word}"
        if full not in EVENT_TYPES:
            raise typer.BadParameter(f"--type {word!r}: use one of {', '.join(sorted(EVENT_TYPES))}")
        wanted.add(full)
    if start not in ("0", "now") and not all(part.isdigit() for part in start.split("-", 1)):
        raise typer.BadParameter(f"--from {start!r}: use 0, now or an event's stream id")
    out = console()
    with CallQueue() as queue:
        for text in _texts(queue, group, start, follow):
            event = parse_event(text)
            if wanted and event.type not in wanted:
                continue
            if as_json:
                document(event.model_dump(mode="json"))
                continue
            words = [event.disposition, event.reference and f"reference {event.reference}"]
            more = "  ".join(str(word) for word in words if word)
            label = event.type.removeprefix("alodial.").removeprefix("call.")
            out.print(
                f"{event.time:%H:%M:%S}  {styled(label):<16}  {event.extid or event.subject}  {more}", markup=True
            )


def _texts(queue: "CallQueue", group: str | None, start: str, follow: bool) -> Iterator[str]:
    from ..store.stream import read_events  # noqa: PLC0415  # as above

    if group is not None:
        for event in queue.events(group, start="$" if start == "now" else "0", block=None if follow else 0):
            yield event.model_dump_json()
        return
    yield from read_events(queue.store, start, follow=follow)
