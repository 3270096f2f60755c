"""``alodial webhooks``: shows, enables, disables and tests webhook endpoints; makes secrets."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json
from .output import console, count_of, docs_page, document, line, say, table
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..store.webhooks import EndpointHealth

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Webhook endpoints: deliveries, on and off, tests.\n\nExample: alodial webhooks list",
)

Name = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="Its id in `alodial webhooks list`, or the beginning of it.")
]


@app.command("list")
def list_endpoints(as_json: Json = False) -> None:
    """List the endpoints: on or off, events delivered, failed, waiting and parked.

    Example: alodial webhooks list
    """
    with open_queue() as queue:
        endpoints = queue.endpoints.list()
    if as_json:
        for endpoint in endpoints:
            document(endpoint.to_dict())
    elif endpoints:
        table(
            ("id", "endpoint", "status", "delivered", "failed", "waiting", "lag", "parked", "last answer"),
            (
                (
                    endpoint.id,
                    endpoint.url,
                    _status(endpoint),
                    endpoint.delivered,
                    endpoint.failed,
                    endpoint.waiting,
                    f"{endpoint.lag:.0f} s" if endpoint.waiting else "",
                    endpoint.parked,
                    endpoint.last_problem or endpoint.last_status or "",
                )
                for endpoint in endpoints
            ),
        )
    else:
        say("no endpoints: ALODIAL_WEBHOOKS is empty")
        say(f"hint: {docs_page('webhooks.md')}")


def _status(endpoint: "EndpointHealth") -> str:
    if not endpoint.enabled:
        return f"off ({endpoint.off_reason})"
    if endpoint.failing_since:
        return "failing"
    return "on" if endpoint.seen_at else "not served yet"


@app.command()
def enable(name: Name, as_json: Json = False) -> None:
    """Send events to an endpoint again. `alodial events resend` sends the parked ones.

    Example: alodial webhooks enable 5e55f6c65e0e
    """
    with open_queue() as queue:
        endpoint = queue.endpoints.enable(name)
    if as_json:
        document(endpoint.to_dict())
    say(f"enabled {endpoint.url}")
    if endpoint.parked:
        events = count_of(endpoint.parked, "event")
        say(f"hint: {events} parked: alodial events resend --endpoint {endpoint.id} --parked")


@app.command()
def disable(name: Name, as_json: Json = False) -> None:
    """Stop sending events to an endpoint. They are parked for 30 days.

    Example: alodial webhooks disable 5e55f6c65e0e
    """
    with open_queue() as queue:
        endpoint = queue.endpoints.disable(name)
    if as_json:
        document(endpoint.to_dict())
    say(f"disabled {endpoint.url}")
    say(f"hint: alodial webhooks enable {endpoint.id}")


@app.command("test")
def send_test(
    name: Name,
    timeout: Annotated[float, typer.Option(min=0, max=300, help="Seconds to wait for the delivery.")] = 25.0,
    as_json: Json = False,
) -> None:
    """Send a signed event of the type alodial.webhook.test and wait for the answer. Exit code 1 unless it was delivered.

    Example: alodial webhooks test 5e55f6c65e0e
    """
    with open_queue() as queue:
        before = queue.endpoints.find(name)
        event_id = queue.endpoints.test(before.id)
        after = _wait_for_delivery(queue, before, timeout)
    outcome = "waiting"
    if after.delivered > before.delivered:
        outcome = "delivered"
    elif after.failed > before.failed:
        outcome = "failed"
    if as_json:
        document({"id": event_id, "outcome": outcome, "endpoint": after.to_dict()})
    if outcome == "delivered":
        say(f"delivered event {event_id} to {after.url}")
        return
    if outcome == "failed":
        say(f"error: {after.url} did not accept the event: {after.last_problem or after.last_status}")
        say("hint: workers retry it; `alodial webhooks list` shows when it is delivered")
    else:
        say("error: no worker has sent the event yet")
        say("hint: are workers running, with the same ALODIAL_WEBHOOKS? alodial doctor")
    raise typer.Exit(1)


def _wait_for_delivery(queue: "CallQueue", before: "EndpointHealth", timeout: float) -> "EndpointHealth":
    until = time.monotonic() + timeout
    while True:
        now = queue.endpoints.find(before.id)
        if (now.delivered, now.failed) != (before.delivered, before.failed) or time.monotonic() >= until:
            return now
        time.sleep(0.1)


@app.command()
def secret() -> None:
    """Make a secret for ALODIAL_WEBHOOK_SECRET in the form of Standard Webhooks. Nothing is stored.

    Example: alodial webhooks secret
    """
    from ..webhooks.config import new_secret

    line(new_secret())
    if console(err=True).is_terminal:
        say(
            "hint: write it before the old secret and a comma; remove the old one when every receiver knows the new one"
        )
