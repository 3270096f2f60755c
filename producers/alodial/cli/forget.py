"""``alodial forget``: erases one person."""

from typing import Annotated

import typer

from .arguments import Json, Yes, confirm
from .output import count_of, document, say
from .session import current_actor, open_queue

OUT_OF_REACH = (
    "not reached: AloVoice and its recordings, what webhooks and event readers were sent, exports, backups, the logs that your "
    "system keeps of our processes, files still in upload or spool folders"
)


def forget(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="The person's number.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase one person: calls, campaign rows, events, log lines and results with this number. Asks first.

    The number is kept on the do-not-call list as a hash that nobody can read, so that the person is not called again. A call
    under way has to end first: the command then ends with 1, and is repeated.

    Example: alodial forget 994412860
    """
    from alodial_schemas import FieldProblem, PhoneError, any_phone

    from ..calls.erasure import Eraser
    from ..errors import InvalidCall

    def note(table: str, rows: int) -> None:
        say(f"archive: {rows:,} rows of {table} looked at")

    with open_queue() as queue:
        try:
            number = any_phone(phone, queue.settings.allowed_prefixes)
        except PhoneError as exc:
            raise InvalidCall([FieldProblem("phone", exc.code, exc.reason, exc.remedy)]) from None
        if not yes:
            plan = Eraser(queue.store, number, apply=False, progress=note).run(current_actor())
            confirm(f"Erase {number} for good: {_counts(plan.to_dict())}?", yes=False)
        report = Eraser(queue.store, number, apply=True, progress=note).run(current_actor())
    if as_json:
        document(report.to_dict())
    else:
        say(f"erased: {_counts(report.to_dict())}")
        say("the number is on the do-not-call list as a hash")
        for place in report.kept:
            say(f"kept: {place}")
        say(OUT_OF_REACH)
    if report.under_way:
        say(f"error: {count_of(len(report.under_way), 'call')} under way: {', '.join(report.under_way[:5])}")
        say("hint: repeat the command once they have ended (alodial calls show ID); no new one begins")
        raise typer.Exit(1)


def _counts(report: dict[str, object]) -> str:
    names = {
        "calls": "call",
        "rows": "row",
        "events": "event",
        "logs": "log line",
        "results": "result",
        "deliveries": "webhook event",
        "archived": "archived row",
    }
    return ", ".join(count_of(int(str(report[name])), singular) for name, singular in names.items())
