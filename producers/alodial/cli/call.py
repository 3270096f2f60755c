"""``alodial call two-way|ivr``: enqueues one call and, if asked, waits for its end."""

import math
import time
from typing import Annotated, Any

import typer

from .output import document, line, safe, say, styled
from .session import open_queue

app = typer.Typer(
    no_args_is_help=True,
    help="Enqueue one call.\n\nExample: alodial call two-way --from 712037006 --to 994412860 --wait",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the call to its end; exit code 0 only when it completed.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds that --wait waits at most.")]
Extid = Annotated[str | None, typer.Option(help="1 to 15 digits; made when not given.")]
Reference = Annotated[str | None, typer.Option(help="Your own text for the call, up to 128 characters.")]
NotBefore = Annotated[str | None, typer.Option(help="ISO 8601 with zone: not before this moment.")]
ExpiresAt = Annotated[str | None, typer.Option(help="ISO 8601 with zone: never after this moment.")]
Priority = Annotated[str, typer.Option(help="urgent, normal or bulk.")]
Account = Annotated[str, typer.Option(help="Which AloVoice account.")]
OnUnconfirmed = Annotated[str, typer.Option(help="wait, or redial: ring again although it may have rung.")]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Handed back in events; may be repeated.")
]
Key = Annotated[str, typer.Option("--idempotency-key", help="The same key with the same call gives the same call.")]

POLL = 0.2


@app.command("two-way")
def two_way(
    callfrom: Annotated[
        str, typer.Option("--from", metavar="NUMBER", help="The initiator, rung first; NUMBER or NUMBER/LANG.")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="NUMBER", help="A recipient, NUMBER or NUMBER/LANG; repeat it for a list."),
    ] = None,
    to_queue: Annotated[
        list[str] | None, typer.Option("--to-queue", metavar="QUEUE", help="A PBX queue as recipient.")
    ] = None,
    extid: Extid = None,
    reference: Reference = None,
    not_before: NotBefore = None,
    expires_at: ExpiresAt = None,
    priority: Priority = "normal",
    account: Account = "default",
    on_unconfirmed: OnUnconfirmed = "wait",
    metadata: Metadata = None,
    idempotency_key: Key = "",
    wait: Wait = False,
    timeout: Timeout = 600.0,
    as_json: Json = False,
) -> None:
    """Ring the initiator, then the recipients one after another until one answers.

    Example: alodial call two-way --from 712037006 --to 994412860/uz --to 977076909 --reference order-17 --wait
    """
    targets = [_phone(text) for text in to or []] + [{"queue": name} for name in to_queue or []]
    if not targets:
        raise typer.BadParameter("give at least one --to NUMBER or --to-queue QUEUE")
    options = _options(extid, reference, not_before, expires_at, priority, account, on_unconfirmed, metadata)
    _enqueue({"callfrom": _phone(callfrom), "callto": targets, **options}, idempotency_key, wait, timeout, as_json)


@app.command("ivr")
def ivr(
    to: Annotated[str, typer.Option("--to", metavar="NUMBER", help="The number that is rung.")],
    ivrid: Annotated[int, typer.Option(help="Id of the IVR menu in AloVoice's settings.")],
    fromline: Annotated[str, typer.Option(metavar="NUMBER", help="The line that the call goes out from.")],
    extid: Extid = None,
    reference: Reference = None,
    not_before: NotBefore = None,
    expires_at: ExpiresAt = None,
    priority: Priority = "normal",
    account: Account = "default",
    on_unconfirmed: OnUnconfirmed = "wait",
    metadata: Metadata = None,
    idempotency_key: Key = "",
    wait: Wait = False,
    timeout: Timeout = 600.0,
    as_json: Json = False,
) -> None:
    """Ring one number and put it into an IVR menu once it answers.

    Example: alodial call ivr --to 712037006 --ivrid 222 --fromline 712037006
    """
    options = _options(extid, reference, not_before, expires_at, priority, account, on_unconfirmed, metadata)
    _enqueue({"callto": to, "ivrid": ivrid, "fromline": fromline, **options}, idempotency_key, wait, timeout, as_json)


def _phone(text: str) -> dict[str, str]:
    number, _, lang = text.partition("/")
    return {"phone": number, "lang": lang} if lang else {"phone": number}


def _options(
    extid: str | None,
    reference: str | None,
    not_before: str | None,
    expires_at: str | None,
    priority: str,
    account: str,
    on_unconfirmed: str,
    metadata: list[str] | None,
) -> dict[str, Any]:
    pairs = {}
    for text in metadata or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--metadata {text!r}: write NAME=VALUE")
        if name in pairs:
            raise typer.BadParameter(f"--metadata {name!r}: given twice; write each name once")
        pairs[name] = value
    given = {
        "extid": extid,
        "reference": reference,
        "not_before": not_before,
        "expires_at": expires_at,
        "priority": priority,
        "account": account,
        "on_unconfirmed": on_unconfirmed,
        "metadata": pairs or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _enqueue(body: dict[str, Any], key: str, wait: bool, timeout: float, as_json: bool) -> None:
    if math.isnan(timeout):
        raise typer.BadParameter("--timeout: give a number of seconds")
    with open_queue() as queue:
        call = queue.enqueue(body, idempotency_key=key)
        if not wait:
            if as_json:
                document({"id": call.id, "extid": call.extid, "state": call.state, "created": call.created})
            else:
                line(f"{call.id}  extid {call.extid}  {call.state}{'' if call.created else ' (was there before)'}")
                say(f"hint: alodial calls show {call.extid}")
            return
        raise typer.Exit(_follow(queue, call.id, timeout, as_json))


def _follow(queue: Any, call_id: str, timeout: float, as_json: bool) -> int:
    """Tells each change until the end; 0 when it completed."""
    from alodial_schemas import ENDS, State

    from .calls import show_record
    from .output import console

    told, deadline, people = 0, time.monotonic() + timeout, console(err=True)
    while True:
        record = queue.get(call_id)
        for moment in record.timeline[told:]:
            # The name comes first: whoever interrupts us must be able to find the call again.
            note = moment["note"] if told or moment["note"] else f"extid {record.extid}"
            people.print(f"{moment['at'][11:23]}  {styled(moment['state'])}  {safe(note)}".rstrip())
            told += 1
        if record.state in ENDS:
            break
        if time.monotonic() >= deadline:
            say(f"error: still {record.state} after {timeout:g} s; it goes on without us")
            say(f"hint: alodial calls show {record.extid}")
            break
        time.sleep(POLL)
    if as_json:
        document(record.to_dict())
    else:
        show_record(record)
    return 0 if record.state == State.COMPLETED else 1
