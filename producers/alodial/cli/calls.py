"""``alodial calls list|show|cancel|redial``."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json, Yes, check_choice, confirm, confirm_person, parse_time
from .local_time import local_time
from .output import (
    READER_LEFT,
    console,
    count_of,
    document,
    heading,
    in_language,
    plain,
    print_call,
    safe,
    say,
    seconds_between,
    styled,
    table,
)
from .session import campaign_id, current_actor, open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.call_filter import CallFilter
    from ..store.records import CallRecord

NBSP = "\u00a0"
LEVELS = {"good": "green", "warn": "yellow", "bad": "red"}
"""Colours of the sentence that says why a call did or did not ring."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List calls, show them, cancel them, call again.\n\nExample: alodial calls list --state unconfirmed",
)


@app.command("list")
def list_calls(
    state: Annotated[str, typer.Option(help="Only calls in this state.")] = "",
    disposition: Annotated[str, typer.Option(help="Only calls with this outcome of the last attempt.")] = "",
    reason: Annotated[str, typer.Option(help="Only calls that ended with this code.")] = "",
    campaign: Annotated[str, typer.Option(help="Only calls of this campaign, by its name or id.")] = "",
    phone: Annotated[str, typer.Option(help="Only calls from or to this number.")] = "",
    reference: Annotated[str, typer.Option(help="Only calls with this reference.")] = "",
    account: Annotated[str, typer.Option(help="Only calls of this account.")] = "",
    part: Annotated[
        str, typer.Option(help="Only calls with this in a number, the reference or a value of the metadata.")
    ] = "",
    since: Annotated[
        str | None, typer.Option(help="Created at this time or later: 2h (ago), 2026-11-23T14:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Created before this time.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Only calls that have ended.")] = False,
    line: Annotated[str, typer.Option(help="Only calls that went out from this line, or none.")] = "",
    operator: Annotated[str, typer.Option(help="Only calls to this operator, as reports name it: 90, or none.")] = "",
    initiator: Annotated[str, typer.Option(help="Only calls in which this number was called first, or none.")] = "",
    hour: Annotated[int | None, typer.Option(min=0, max=23, help="Only calls of this hour of local time.")] = None,
    weekday: Annotated[int | None, typer.Option(min=1, max=7, help="Only calls of this weekday; 1 is Monday.")] = None,
    times: Annotated[
        str, typer.Option(help="created, or called: since, until, hour and weekday are those of the first attempt.")
    ] = "created",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Calls to list at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Continue where the last list ended.")] = None,
    as_json: Json = False,
) -> None:
    """List calls, newest first.

    Example: alodial calls list --state unconfirmed --limit 20 --json
    """
    from alodial_schemas import Disposition, FieldProblem, PhoneError, State, any_phone

    from ..errors import InvalidCall
    from ..store.call_facts import NO_VALUE
    from ..store.call_filter import CALLED, MIN_PART, CallFilter

    if state:
        check_choice("--state", state, tuple(State))
    if disposition:
        check_choice("--disposition", disposition, tuple(Disposition))
    check_choice("--times", times, ("created", CALLED))
    if part and sum(char.isalnum() for char in part) < MIN_PART:
        raise typer.BadParameter(f"--part: give at least {MIN_PART} letters or digits")
    call_filter = CallFilter(
        state=state,
        campaign=campaign,
        reference=reference,
        disposition=disposition,
        account=account,
        reason=reason,
        since=parse_time("--since", since),
        until=parse_time("--until", until),
        part=part,
        ended=ended,
        line=line,
        operator=operator,
        hour=hour,
        weekday=weekday,
        times=times,
    )
    with open_queue() as queue:
        numbers = {"phone": phone, "initiator": initiator}
        for name, number in numbers.items():
            if number and (name, number) != ("initiator", NO_VALUE):
                try:
                    numbers[name] = any_phone(number, queue.settings.allowed_prefixes)
                except PhoneError as exc:
                    raise InvalidCall([FieldProblem(f"--{name}", exc.code, exc.reason, exc.remedy)]) from None
        call_filter = replace(
            call_filter,
            campaign=campaign_id(queue, campaign),
            phone=numbers["phone"],
            initiator=numbers["initiator"],
        )
        _print_list(queue, call_filter, cursor, limit, as_json=as_json)


def _print_list(
    queue: "CallQueue", call_filter: "CallFilter", cursor: str | None, limit: int, *, as_json: bool
) -> None:
    from ..errors import InvalidCall

    incomplete = False
    calls: list[CallRecord] = []
    # A page ends after a number of records read, matching or not; a list ends when it is full or none is left.
    while len(calls) < limit and not READER_LEFT.is_set():
        try:
            page = queue.calls(call_filter, cursor=cursor, limit=limit - len(calls))
        except InvalidCall:
            raise typer.BadParameter(f"--cursor {cursor!r}: give the last list's, with the same filters") from None
        calls += page.calls
        cursor = page.cursor
        incomplete |= page.incomplete
        if as_json:
            for record in page.calls:
                document(record.summary())
        if cursor is None:
            break
    if calls and not as_json:
        table(
            ("extid", "state", "disposition", "try", "created", "to", "reference"),
            (
                (c.extid, c.state, c.disposition, c.attempt, local_time(c.created_at), _to(c), c.reference)
                for c in calls
            ),
        )
    elif not calls and not as_json:
        say("no calls")
    if incomplete:
        say("warning: older calls cannot be read now: the archive does not answer; alodial archive status")
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
    """Show one call: why it did or did not ring, timeline, attempts, answers, results.

    Example: alodial calls show 937986460982123
    """
    with open_queue() as queue:
        record = queue.get(name)
        if as_json:
            document(record.to_dict())
        else:
            print_record(queue, record)


def print_record(queue: "CallQueue", record: "CallRecord") -> None:
    """Prints a whole call for people. Numbers are in full: the terminal and the calls are the operator's own."""
    from ..calls.explain import explain
    from ..store.call_context import call_context
    from .language import reader

    context = queue.store.call(call_context, record.wire_extid, record.account, record.campaign_id or "")
    explanation = explain(record, context, reader())
    out = console()
    out.print(f"[bold]{heading('call')} {record.id}[/bold]")
    out.print(f"  {safe(explanation.text.replace(NBSP, ' '))}", style=LEVELS.get(explanation.level))
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
        ("not before", local_time(record.not_before) or None),
        ("expires", local_time(record.expires_at) or None),
        ("metadata", " ".join(f"{k}={v}" for k, v in record.metadata.items()) or None),
    ]
    titles = {name: heading(name) for name, _ in facts}
    width = max(map(len, titles.values()))
    for name, value in facts:
        if value is not None:
            out.print(f"  {titles[name]:<{width}} {styled(value) if name in {'state', 'disposition'} else safe(value)}")
    out.print(f"[bold]{heading('timeline')}[/bold]")
    start = record.timeline[0]["at"]
    for entry in record.timeline:
        note = f"  [dim]{safe(entry['note'])}[/dim]" if entry["note"] else ""
        at = local_time(entry["at"], precise=True)
        out.print(f"  {at}  {seconds_between(start, entry['at']):>12}  {styled(entry['state'])}{note}")
    for attempt in record.attempts:
        if attempt["submitted_at"] is None:
            continue
        out.print(
            f"[bold]{heading('attempt')} {attempt['attempt']}[/bold]  extid {attempt['extid']}  "
            f"{heading('worker')} {safe(attempt['worker'])}"
        )
        if answer := attempt["answer"]:
            status = f"HTTP {answer['status']}, " if "status" in answer else ""
            said = f"AloVoice answered: {status}{safe(answer.get('code'))} after {answer.get('ms', 0)} ms"
            out.print(f"  {in_language(said)}")
            if body := plain(answer.get("body") or ""):
                out.print(f"    {safe(body if len(body) <= 300 else body[:300] + '...')}")
        if result := attempt["result"]:
            ended = f"result: {styled(attempt['disposition'])} ({safe(result['dialstatus'])}), {result['duration']} s"
            out.print(f"  {in_language(ended)}")
            if result["record"]:
                out.print(f"    {heading('recording')} {safe(result['record'])}")
        if (counted := attempt["talk_limited_to"]) is not None:
            said = f"its times say more talk than the attempt lasted; {counted} s are counted"
            out.print(f"  [yellow]{in_language(said)}[/yellow]")
        if attempt["conflicting_result"]:
            out.print(f"  [yellow]{in_language('a second, different result came later; both are kept')}[/yellow]")
    if record.state == "unconfirmed":
        say("hint: the phone may have rung. The call ends when its result arrives, and does not ring again by itself")


def _recipients(record: "CallRecord") -> str:
    targets = ", ".join(_targets(record))
    return f"{targets}, IVR {record.request['ivrid']}" if "ivrid" in record.request else targets


@app.command()
def cancel(
    names: Annotated[list[str], typer.Argument(metavar="ID|EXTID...", help="Calls that are not submitted yet.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Cancel calls before they are submitted. Asks on a terminal. Exit code 1 if one of them could not be canceled.

    Example: alodial calls cancel 937986460982123
    """
    from ..errors import NotCancelable, NotFound

    confirm_person(f"Cancel {count_of(len(names), 'call')} for good?", yes=yes)
    failed = False
    with open_queue() as queue:
        for name in names:
            try:
                call = queue.cancel(name, reason="canceled_by_operator")
            except (NotCancelable, NotFound) as exc:
                failed = True
                if as_json:
                    document({"call": name, "error": {"code": exc.code, "detail": str(exc)}})
                else:
                    say(f"error: {exc}")
            else:
                print_call(call, as_json)
    raise typer.Exit(1 if failed else 0)


@app.command()
def redial(
    name: Annotated[str, typer.Argument(metavar="ID|EXTID", help="A call that has ended or is unconfirmed.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Call again: a new call with the same request. An unconfirmed call gets another attempt instead. Asks first.

    Example: alodial calls redial 937986460982123
    """
    from ..calls.redial import plan_redial

    with open_queue() as queue:
        record = queue.get(name)
        if plan_redial(record, queue.settings, record.attempt).again is None:
            risk = f"Call {record.extid} is unconfirmed: its phone may have rung, and would ring a second time."
        else:
            risk = f"Call {record.extid} is {record.state}."
        confirm(f"{risk} Ring {_recipients(record)} again?", yes=yes)
        call = queue.redial(name, actor=current_actor(), attempt=record.attempt)
    print_call(call, as_json, created=call.created)
