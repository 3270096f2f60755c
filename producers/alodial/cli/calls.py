"""``alodial calls list|show|cancel|redial``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import moment
from .output import READER_LEFT, console, document, line, plain, safe, say, seconds, styled, table
from .session import current_actor, open_queue

if TYPE_CHECKING:
    from ..store.records import CallRecord

app = typer.Typer(
    no_args_is_help=True,
    help="Look at calls, cancel them, ring again.\n\nExample: alodial calls list --state unconfirmed",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]


@app.command("list")
def list_calls(
    state: Annotated[str, typer.Option(help="Only calls in this state.")] = "",
    disposition: Annotated[str, typer.Option(help="Only calls whose last attempt went so.")] = "",
    reason: Annotated[str, typer.Option(help="Only calls that ended with this code.")] = "",
    campaign: Annotated[str, typer.Option(help="Only calls of this campaign.")] = "",
    phone: Annotated[str, typer.Option(help="Only calls from or to this number.")] = "",
    reference: Annotated[str, typer.Option(help="Only calls with this reference.")] = "",
    account: Annotated[str, typer.Option(help="Only calls of this account.")] = "",
    since: Annotated[str | None, typer.Option(help="Made at this time or later: 2h ago, or 2026-11-23T14:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Made before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the last list ended.")] = None,
    as_json: Json = False,
) -> None:
    """List calls, newest first.

    Example: alodial calls list --state unconfirmed --limit 20 --json
    """
    from alodial_schemas import Disposition, PhoneError, State, normalise_phone

    from ..errors import InvalidCall
    from ..store.call_filter import CallFilter

    for option, value, known in (("--state", state, State), ("--disposition", disposition, Disposition)):
        if value and value not in set(known):
            raise typer.BadParameter(f"{option} {value!r}: use one of {', '.join(known)}")
    if phone:
        try:
            phone = normalise_phone(phone, allowed=())
        except PhoneError as exc:
            raise typer.BadParameter(f"--phone: {exc}") from None
    wanted = CallFilter(
        state=state,
        campaign=campaign,
        phone=phone,
        reference=reference,
        disposition=disposition,
        account=account,
        reason=reason,
        since=moment("--since", since),
        until=moment("--until", until),
    )
    found: list[CallRecord] = []
    with open_queue() as queue:
        # A page ends after so many records looked at; a list ends when it is full or there are no more.
        while len(found) < limit and not READER_LEFT.is_set():
            try:
                page = queue.calls(wanted, cursor=cursor, limit=limit - len(found))
            except InvalidCall:
                raise typer.BadParameter(
                    f"--cursor {cursor!r}: give the one of the list before, with its filters"
                ) from None
            found += page.calls
            cursor = page.cursor
            if as_json:
                for record in page.calls:
                    document(record.summary())
            if cursor is None:
                break
    if found and not as_json:
        table(
            ("extid", "state", "disposition", "attempt", "created", "to", "reference"),
            ((c.extid, c.state, c.disposition, c.attempt, c.created_at[:19] + "Z", _to(c), c.reference) for c in found),
        )
    elif not found and not as_json:
        say("no calls")
    if cursor is not None:
        say(f"hint: more with --cursor {cursor}")


def _to(record: "CallRecord") -> str:
    first, *others = _targets(record)
    if "ivrid" in record.request:
        return f"{first} (IVR {record.request['ivrid']})"
    return f"{first} +{len(others)}" if others else first


def _targets(record: "CallRecord") -> list[str]:
    from alodial_schemas import parties_of

    parties = parties_of(record.request)
    return [f"queue {name}" if party == "queue" else name for party, name in parties if party != "initiator"]


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="ID|EXTID", help="The call's id, or the extid of any of its attempts.")
    ],
    as_json: Json = False,
) -> None:
    """Show one call: its timeline, attempts, AloVoice's answers and results.

    Example: alodial calls show 937986460982123
    """
    with open_queue() as queue:
        record = queue.get(name)
    if as_json:
        document(record.to_dict())
    else:
        show_record(record)


def show_record(record: "CallRecord") -> None:
    """The whole record for people. Numbers are shown in full: it is their own terminal and their own call."""
    out = console()
    out.print(f"[bold]call {record.id}[/bold]")
    facts: list[tuple[str, Any]] = [
        ("extid", record.extid),
        ("state", record.state),
        ("disposition", record.disposition),
        ("reason", record.reason),
        ("reference", record.reference),
        ("from", record.request.get("callfrom", {}).get("phone") or record.request.get("fromline")),
        ("to", _recipients(record)),
        ("priority", record.priority if record.priority != "normal" else None),
        ("account", record.account if record.account != "default" else None),
        ("not before", record.not_before),
        ("expires", record.expires_at),
        ("metadata", " ".join(f"{k}={v}" for k, v in record.metadata.items()) or None),
    ]
    for label, value in facts:
        if value is not None:
            shown = styled(value) if label in {"state", "disposition"} else safe(value)
            out.print(f"  {label:<12} {shown}")
    out.print("[bold]timeline[/bold]")
    start = record.timeline[0]["at"]
    for entry in record.timeline:
        note = f"  [dim]{safe(entry['note'])}[/dim]" if entry["note"] else ""
        out.print(f"  {entry['at']}  {seconds(entry['at'], start):>12}  {styled(entry['state'])}{note}")
    for attempt in record.attempts:
        if attempt["submitted_at"] is None:
            continue
        out.print(
            f"[bold]attempt {attempt['attempt']}[/bold]  extid {attempt['extid']}  worker {safe(attempt['worker'])}"
        )
        if answer := attempt["answer"]:
            status = f"HTTP {answer['status']}, " if "status" in answer else ""
            out.print(f"  AloVoice answered: {status}{safe(answer.get('code'))} after {answer.get('ms', 0)} ms")
            if answer.get("body"):
                out.print(f"    {safe(_short(answer['body']))}")
        if result := attempt["result"]:
            out.print(
                f"  result: {styled(attempt['disposition'])} ({safe(result['dialstatus'])}), {result['duration']} s"
            )
            if result["record"]:
                out.print(f"    recording {safe(result['record'])}")
        if attempt["conflicting_result"]:
            out.print("  [yellow]a second, different result came later and is kept beside it[/yellow]")
    if record.state == "unconfirmed":
        say("hint: AloVoice may have rung; it is settled by its result, and never rung again by itself")


def _recipients(record: "CallRecord") -> str:
    targets = ", ".join(_targets(record))
    return f"{targets}, IVR {record.request['ivrid']}" if "ivrid" in record.request else targets


def _short(text: str) -> str:
    """What AloVoice answered, on one line."""
    shown = plain(text)
    return shown if len(shown) <= 300 else shown[:300] + "..."


@app.command()
def cancel(
    names: Annotated[list[str], typer.Argument(metavar="ID|EXTID...", help="Calls that were not submitted yet.")],
    as_json: Json = False,
) -> None:
    """Cancel calls before they are submitted. Exit code 1 when one of them could not be.

    Example: alodial calls cancel 937986460982123
    """
    from ..errors import NotCancelable, NotFound

    failed = False
    with open_queue() as queue:
        for name in names:
            try:
                call = queue.cancel(name)
            except (NotCancelable, NotFound) as exc:
                failed = True
                if as_json:
                    document({"call": name, "error": {"code": exc.code, "detail": str(exc)}})
                else:
                    say(f"error: {exc}")
                continue
            if as_json:
                document({"id": call.id, "extid": call.extid, "state": call.state})
            else:
                line(f"{call.id}  extid {call.extid}  {call.state}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def redial(
    name: Annotated[str, typer.Argument(metavar="ID|EXTID", help="A call that has ended, or is unconfirmed.")],
    yes: Annotated[bool, typer.Option("--yes", help="Also when the phone may have rung already.")] = False,
    as_json: Json = False,
) -> None:
    """Ring again: a new call with the same request. An unconfirmed call gets a further attempt instead.

    Example: alodial calls redial 937986460982123
    """
    from ..errors import NotRedialable

    with open_queue() as queue:
        record = queue.get(name)
        if record.state == "unconfirmed" and not yes:
            problem = "is unconfirmed: its phone may have rung, and would ring a second time"
            raise NotRedialable(record.id, record.state, problem, f"alodial calls redial {record.extid} --yes")
        call = queue.redial(name, actor=current_actor(), attempt=record.attempt)
    if as_json:
        document({"id": call.id, "extid": call.extid, "state": call.state, "created": call.created})
    else:
        line(f"{call.id}  extid {call.extid}  {call.state}{'' if call.created else ', was asked for before'}")
