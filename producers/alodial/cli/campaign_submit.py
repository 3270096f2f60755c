"""``alodial campaign check`` and ``submit``: what reads a file."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .campaign_options import (
    Account,
    Channels,
    DailyCalls,
    DailyMinutes,
    End,
    Errors,
    Failures,
    File,
    From,
    Goal,
    Holiday,
    Hours,
    Ivr,
    Json,
    Lang,
    Line,
    Map,
    MaxAttempts,
    Metadata,
    Pace,
    PerDay,
    PolicyFile,
    Prefix,
    Priority,
    QueueName,
    Redial,
    RowTtl,
    Start,
    Title,
    Weight,
    Zone,
)
from .campaign_output import show_report, tell, watch_campaign
from .output import document, line, say
from .session import current_actor, open_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..calls.queue import CallQueue


def check(
    file: File,
    name: Title = "",
    initiator: From = None,
    queue: QueueName = None,
    ivr: Ivr = None,
    line: Line = None,
    lang: Lang = None,
    account: Account = "default",
    map: Map = None,
    metadata: Metadata = None,
    hours: Hours = None,
    zone: Zone = None,
    holiday: Holiday = None,
    starts_at: Start = None,
    ends_at: End = None,
    pace: Pace = None,
    channels: Channels = None,
    priority: Priority = None,
    weight: Weight = None,
    redial: Redial = None,
    max_attempts: MaxAttempts = None,
    max_attempts_per_day: PerDay = None,
    row_ttl: RowTtl = None,
    daily_calls: DailyCalls = None,
    daily_minutes: DailyMinutes = None,
    prefix: Prefix = None,
    goal: Goal = None,
    stop_after_failures: Failures = None,
    policy: PolicyFile = None,
    errors: Errors = None,
    as_json: Json = False,
) -> None:
    """Read a file as a submission would, and say what is right and wrong with it. Nobody is called.

    Exit code 1 when a row is bad.

    Example: alodial campaign check clients.csv --from 712037006 --errors bad.csv
    """
    options = _options(locals())
    if initiator is None and queue is None and ivr is None:
        # What a row's call would be is of no matter to the file: numbers are judged alike.
        options["queue"] = "0"
    from .progress import reading

    with open_queue() as opened, problems_to(errors, file) as on_problem, reading("checking") as progress:
        from .campaign_request import request_of

        request = request_of(opened.settings, options)
        report = opened.campaigns.check(file, request, progress=progress, on_problem=on_problem)
    if as_json:
        document(report.to_dict())
    else:
        show_report(report)
    if report.bad:
        raise typer.Exit(1)


def submit(
    file: File,
    name: Title = "",
    initiator: From = None,
    queue: QueueName = None,
    ivr: Ivr = None,
    line: Line = None,
    lang: Lang = None,
    account: Account = "default",
    map: Map = None,
    metadata: Metadata = None,
    hours: Hours = None,
    zone: Zone = None,
    holiday: Holiday = None,
    starts_at: Start = None,
    ends_at: End = None,
    pace: Pace = None,
    channels: Channels = None,
    priority: Priority = None,
    weight: Weight = None,
    redial: Redial = None,
    max_attempts: MaxAttempts = None,
    max_attempts_per_day: PerDay = None,
    row_ttl: RowTtl = None,
    daily_calls: DailyCalls = None,
    daily_minutes: DailyMinutes = None,
    prefix: Prefix = None,
    goal: Goal = None,
    stop_after_failures: Failures = None,
    policy: PolicyFile = None,
    errors: Errors = None,
    again: Annotated[bool, typer.Option("--again", help="Although these rows were submitted before.")] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Wait for `alodial campaign resume`.")] = False,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="PHONE", help="Place the first row's call to your own phone, no campaign."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and watch it.")] = False,
    as_json: Json = False,
) -> None:
    """Submit a file's good rows as a campaign. Broken off, the same command goes on where it stopped.

    Exit code 1 when a row was bad, though the good ones are dialled.

    Example: alodial campaign submit clients.csv --from 712037006 --hours "mon-sat 09:00-18:00" --redial busy=5m,15m
    """
    options = _options(locals())
    from .campaign_request import request_of
    from .progress import reading

    with open_queue() as opened:
        request = request_of(opened.settings, options)
        if test is not None:
            _test(opened, file, request, test, as_json)
            return
        with problems_to(errors, file) as on_problem, reading("submitting") as progress:
            record = opened.campaigns.submit(
                file,
                request,
                actor=current_actor(),
                again=again,
                paused=paused,
                progress=progress,
                on_problem=on_problem,
            )
        tell(record, as_json)
        if record.rows.get("bad") and not as_json:
            say(f"hint: {record.rows['bad']} rows are bad; alodial campaign problems {record.id}")
        if watch:
            watch_campaign(opened, record.id, as_json=as_json)
    if record.rows.get("bad"):
        raise typer.Exit(1)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a command by name; lists that were not given are empty."""
    lists = {"map", "metadata", "holiday", "prefix"}
    return {name: (value or []) if name in lists else value for name, value in given.items()}


@contextmanager
def problems_to(path: Path | None, file: Path) -> "Iterator[Callable[[Any], None] | None]":
    """Writes the rows that are not taken, in the form of the file they came from."""
    if path is None:
        yield None
        return
    from ..campaigns.errors import BadFile
    from ..campaigns.exporting.rejected_rows import RejectedRowsWriter
    from ..campaigns.importing.files import open_source

    if path.resolve() == file.resolve():
        raise typer.BadParameter("--errors: give another file than the one that is read")
    try:
        out = path.open("wb")
    except OSError as exc:
        raise BadFile("no_access", f"{path.name!r} cannot be written ({exc.strerror})", "give another path") from None
    with out:
        errors = RejectedRowsWriter(out, open_source(file).columns)
        yield errors.add
        errors.close()


def _test(opened: "CallQueue", file: Path, request: Any, number: str, as_json: bool) -> None:
    """The first good row's call, to somebody's own phone."""
    from alodial_schemas import FieldProblem, PhoneError, normalise_phone

    from ..campaigns.errors import InvalidCampaign
    from ..campaigns.importing.files import open_source
    from ..campaigns.importing.row_check import RowChecker
    from ..campaigns.row_to_call import trial_call

    try:
        phone = normalise_phone(number, allowed=opened.settings.allowed_prefixes)
    except PhoneError as exc:
        raise typer.BadParameter(f"--test: {exc}") from None
    checker = RowChecker(open_source(file), request, opened.settings, suppressed=opened.dnc.listed)
    first = next((rows[0] for rows, _ in checker.chunks(1) if rows), None)
    if first is None:
        problem = FieldProblem(
            "file", "no_rows", "has no good row to call", "alodial campaign check shows the problems"
        )
        raise InvalidCampaign([problem])
    call = opened.enqueue(trial_call(first[1], request, phone))
    if as_json:
        document({"id": call.id, "extid": call.extid, "state": call.state})
    else:
        line(f"{call.id}  extid {call.extid}  {call.state}")
        say(f"hint: row {first[0]} as a test; alodial calls show {call.extid}")
