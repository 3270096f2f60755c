"""``alodial campaign check`` and ``submit``: the commands that read a file under a whole request."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import shares_options
from .campaign_options import Again, Key, new_key, request_options
from .campaign_output import print_campaign, print_report, watch_campaign
from .language import reader
from .output import document, print_call, say
from .session import current_actor, open_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..calls.queue import CallQueue
    from ..i18n import Translator


@shares_options(request_options)
def check(options: dict[str, Any]) -> None:
    """Read a file as `submit` would, and show which rows are good and which are not. Nobody is called.

    Where the file leaves a doubt, such as which column is the phone, a question is printed with the options that answer it.
    Exit code 1 if a row is bad or a question is open.

    Example: alodial campaign check clients.csv --from 712037006 --errors bad.csv
    """
    if options["initiator"] is None and options["queue"] is None and options["ivr"] is None:
        # The rows are checked in the same way for every kind of call, so no kind is needed here.
        options["queue"] = "0"
    from .progress import reading

    file, t = options["file"], reader(options["language"])
    with (
        open_queue() as queue,
        read_in(t),
        rejected_rows_to(options["errors"], file, t, **read_options(options)) as on_problem,
        reading("checking") as progress,
    ):
        from .campaign_request import build_request

        request = build_request(queue.settings, options)
        report = queue.campaigns.check(file, request, progress=progress, on_problem=on_problem)
    if options["as_json"]:
        document(report.to_dict(t))
    else:
        print_report(report, t)
    if report.bad or report.questions:
        raise typer.Exit(1)


@shares_options(request_options)
def submit(
    options: dict[str, Any],
    again: Again = False,
    key: Key = "",
    paused: Annotated[bool, typer.Option("--paused", help="Wait for `alodial campaign resume`.")] = False,
    test: Annotated[
        str | None,
        typer.Option(metavar="PHONE", help="Only place the first row's call to your own phone; no campaign."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch the campaign until it ends.")] = False,
) -> None:
    """Submit a file's good rows as a campaign. After an interruption, the same command continues where it stopped.

    While a question about the file is open, nothing is submitted: exit code 1. Rejected rows are reported, and the good
    rows are called all the same: exit code 0, and with --json the code `rows_rejected` instead of `submitted`.

    Example: alodial campaign submit clients.csv --from 712037006 --hours "mon-sat 09:00-18:00" --redial busy=5m,15m
    """
    from .campaign_request import build_request
    from .progress import reading

    file, as_json, t = options["file"], options["as_json"], reader(options["language"])
    with open_queue() as queue, read_in(t):
        request = build_request(queue.settings, options)
        if test is not None:
            _place_test_call(queue, file, request, test, as_json)
            return
        rejected = rejected_rows_to(options["errors"], file, t, **read_options(options))
        with _kind_named(options), rejected as on_problem, reading("submitting") as progress:
            record = queue.campaigns.submit(
                file,
                request,
                actor=current_actor(),
                again=again,
                paused=paused,
                idempotency_key=key or new_key(),
                progress=progress,
                on_problem=on_problem,
            )
        if as_json:
            document(record.to_dict() | {"code": "rows_rejected" if record.rows.get("bad") else "submitted"})
        else:
            print_campaign(record, t=t)
        if record.rows.get("bad") and not as_json:
            bad = t.count("campaign_fact.bad_rows", record.rows["bad"])
            say(f"hint: {bad}; alodial campaign problems {record.id}")
        if watch:
            watch_campaign(queue, record.id, as_json=as_json)


@contextmanager
def _kind_named(options: dict[str, Any]) -> "Iterator[None]":
    """Says what is missing where no row can be called because no kind of call was named: the rows are not at fault."""
    from alodial_schemas import FieldProblem

    from ..campaigns.errors import InvalidCampaign

    try:
        yield
    except InvalidCampaign as exc:
        named = any(options[name] is not None for name in ("initiator", "queue", "ivr"))
        if named or [problem.code for problem in exc.problems] != ["no_good_rows"]:
            raise
        remedy = "add --from NUMBER, --queue QUEUE, or --ivr MENU with --line NUMBER"
        raise InvalidCampaign(
            [FieldProblem("call", "call_kind_missing", "nothing says what each row's phone is connected to", remedy)]
        ) from None


@contextmanager
def read_in(t: "Translator") -> "Iterator[None]":
    """Puts what is wrong with a file, and the questions about it, into the reader's language."""
    from ..campaigns.errors import BadFile
    from ..campaigns.importing.questions import OpenQuestions

    try:
        yield
    except OpenQuestions as exc:
        raise OpenQuestions(exc.questions, t) from None
    except BadFile as exc:
        text = t.problem(exc.code, exc.problem, exc.remedy)
        raise BadFile(exc.code, text.problem, text.remedy) from None


def read_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options that say how a file is read."""
    return {name: options[name] for name in ("sheet", "header_row")}


@contextmanager
def rejected_rows_to(
    path: Path | None, file: Path, t: "Translator", *, sheet: str | None = None, header_row: int | None = None
) -> "Iterator[Callable[[Any], None] | None]":
    """Gives a function that writes a rejected row to ``path``, with the columns of ``file``; None without a path."""
    if path is None:
        yield None
        return
    from ..campaigns.errors import BadFile
    from ..campaigns.exporting.rejected_rows import RejectedRowsWriter
    from ..campaigns.exporting.texts import for_programs
    from ..campaigns.importing.files import open_source

    if path.resolve() == file.resolve():
        raise typer.BadParameter("--errors: give another file than the one to read")
    try:
        out = path.open("wb")
    except OSError as exc:
        raise BadFile("no_access", f"{path.name!r} cannot be written ({exc.strerror})", "give another path") from None
    with out:
        source = open_source(file)
        source.choose(sheet=sheet, header_row=header_row)
        writer = RejectedRowsWriter(out, source.columns, for_programs(t))
        yield writer.add
        writer.close()


def _place_test_call(queue: "CallQueue", file: Path, request: Any, number: str, as_json: bool) -> None:
    """Places the first good row's call to ``number`` instead of the row's own."""
    from alodial_schemas import FieldProblem, PhoneError, normalise_phone

    from ..campaigns.importing.files import open_source
    from ..errors import InvalidCall

    try:
        phone = normalise_phone(number, allowed=queue.settings.allowed_prefixes)
    except PhoneError as exc:
        raise InvalidCall([FieldProblem("--test", exc.code, exc.reason, exc.remedy)]) from None
    call = queue.enqueue(queue.campaigns.test_call(open_source(file), request, phone))
    print_call(call, as_json)
    if not as_json:
        say(f"hint: this is the first good row as a test; alodial calls show {call.extid}")
