"""``alodial webhooks``: how endpoints fare, on and off, a test, a secret."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from .output import console, document, line, plain, say, table
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.webhooks import EndpointHealth

app = typer.Typer(
    no_args_is_help=True,
    help="The endpoints of ALODIAL_WEBHOOKS: how they fare, on and off.\n\nExample: alodial webhooks list",
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Name = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="Its id as `alodial webhooks list` shows it, or the beginning.")
]


@app.command("list")
def list_endpoints(as_json: Json = False) -> None:
    """Each endpoint: on or off, what it took, what waits, what was parked.

    Example: alodial webhooks list
    """
    with open_queue() as queue:
        found = queue.endpoints.list()
    if as_json:
        for one in found:
            document(one.to_dict())
    elif found:
        table(
            ("id", "endpoint", "is", "delivered", "failed", "waiting", "lag", "parked", "last answer"),
            (
                (
                    one.id,
                    one.url,
                    _is(one),
                    one.delivered,
                    one.failed,
                    one.waiting,
                    f"{one.lag:.0f} s" if one.waiting else "",
                    one.parked,
                    one.last_problem or one.last_status or "",
                )
                for one in found
            ),
        )
    else:
        say("no endpoints: ALODIAL_WEBHOOKS is empty")
        say("hint: docs/webhooks.md")


def _is(one: "EndpointHealth") -> str:
    if not one.enabled:
        return f"off ({one.off_reason})"
    if one.failing_since:
        return "failing"
    return "on" if one.seen_at else "not served yet"


@app.command()
def enable(name: Name, as_json: Json = False) -> None:
    """Send to an endpoint again. What was parked is sent by `alodial events resend`.

    Example: alodial webhooks enable 5e55f6c65e0e
    """
    with open_queue() as queue:
        one = queue.endpoints.enable(name)
    if as_json:
        document(one.to_dict())
    say(f"{one.url} gets events from now on")
    if one.parked:
        say(f"hint: {one.parked} were parked meanwhile: alodial events resend --endpoint {one.id} --parked")


@app.command()
def disable(name: Name, as_json: Json = False) -> None:
    """Send nothing more to an endpoint. Its events are parked meanwhile, for 30 days.

    Example: alodial webhooks disable 5e55f6c65e0e
    """
    with open_queue() as queue:
        one = queue.endpoints.disable(name)
    if as_json:
        document(one.to_dict())
    say(f"{one.url} gets nothing more")
    say(f"hint: alodial webhooks enable {one.id}")


@app.command("test")
def try_endpoint(
    name: Name,
    timeout: Annotated[float, typer.Option(min=0, max=300, help="Seconds to wait for what becomes of it.")] = 25.0,
    as_json: Json = False,
) -> None:
    """Send a signed event of the type alodial.webhook.test, and say how the endpoint took it. Exit code 1 when it did not.

    Example: alodial webhooks test 5e55f6c65e0e
    """
    with open_queue() as queue:
        before = queue.endpoints.find(name)
        event_id = queue.endpoints.test(before.id)
        after = _followed(queue, before, timeout)
    good = after.delivered > before.delivered
    failed = after.failed > before.failed
    outcome = "delivered" if good else "failed" if failed else "waiting"
    if as_json:
        document({"id": event_id, "outcome": outcome, "endpoint": after.to_dict()})
    if good:
        say(f"{after.url} took event {event_id}")
        return
    if failed:
        say(f"error: {after.url} did not take it: {after.last_problem or after.last_status}")
        say("hint: it is tried again; `alodial webhooks list` shows when it was taken")
    else:
        say("error: no worker has sent it yet")
        say("hint: are workers running, with the same ALODIAL_WEBHOOKS? alodial doctor")
    raise typer.Exit(1)


def _followed(queue: "CallQueue", before: "EndpointHealth", timeout: float) -> "EndpointHealth":
    until = time.monotonic() + timeout
    while True:
        now = queue.endpoints.find(before.id)
        if (now.delivered, now.failed) != (before.delivered, before.failed) or time.monotonic() >= until:
            return now
        time.sleep(0.1)


@app.command()
def secret() -> None:
    """Make a secret for ALODIAL_WEBHOOK_SECRET, as Standard Webhooks writes it. Nothing is stored.

    Example: alodial webhooks secret
    """
    from ..webhooks.config import new_secret

    line(new_secret())
    if console(err=True).is_terminal:
        say(plain("hint: put it before the old one with a comma; take the old one away when every receiver knows it"))
