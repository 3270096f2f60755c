"""``alodial keys``: makes, lists, rotates and revokes API keys."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json, Yes, check_choice, confirm_person, parse_seconds
from .local_time import local_time
from .output import document, line, say, table
from .session import current_actor, open_queue

if TYPE_CHECKING:
    from ..store.key_records import KeyListing

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="API keys, made and revoked while web runs. Redis keeps hashes of them, never the keys.\n\n"
    "Example: alodial keys create shop --roles submit+read --own",
)

Name = Annotated[str, typer.Argument(help="a to z, 0 to 9, - and _; it owns the calls that the key places.")]
Expires = Annotated[str, typer.Option(help="How long the key is valid: 90d, 12h; by default for always.")]


def _now() -> int:
    return int(time.time() * 1000)


def _until(option: str, text: str, now: int) -> int | None:
    return now + 1000 * parse_seconds(option, text) if text else None


def _print_new(listing: "KeyListing", secret: str, as_json: bool) -> None:
    if as_json:
        document({"key": secret} | listing.to_dict())
        return
    line(secret)
    say(f"key {listing.name}: {'+'.join(listing.roles)}{', its own calls only' if listing.own else ''}")
    say("it is shown this once: keep it where its program reads its secrets")


@app.command()
def create(
    name: Name,
    roles: Annotated[str, typer.Option(help="submit, read and operate, with + between them.")] = "submit+read",
    own: Annotated[bool, typer.Option("--own", help="It sees and changes only what it placed itself.")] = False,
    expires: Expires = "",
    daily_calls: Annotated[str, typer.Option(help="Calls a day, at most.")] = "",
    recipient_cap: Annotated[str, typer.Option(help="How often it may call one number, such as 3/1d.")] = "",
    initiator_cap: Annotated[
        str, typer.Option(help="How often it may ring one phone first, before the one that it calls, such as 60/1h.")
    ] = "",
    priorities: Annotated[str, typer.Option(help="Those it may use, such as normal+bulk.")] = "",
    accounts: Annotated[str, typer.Option(help="Those it may use, such as default+sales.")] = "",
    limit: Annotated[list[str] | None, typer.Option(help="Any limit, such as waiting_calls=1000.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once.

    Example: alodial keys create shop --roles submit+read --own --expires 90d --daily-calls 1000
    """
    from ..api_keys import ROLES, ApiKeys
    from ..errors import KeyConflict
    from ..key_limits import limits_from_text
    from ..store import key_records

    for role in roles.split("+"):
        check_choice("--roles", role, ROLES)
    values = {
        "daily_calls": daily_calls,
        "recipient_cap": recipient_cap,
        "initiator_cap": initiator_cap,
        "priorities": priorities,
        "accounts": accounts,
    }
    others = dict(part.partition("=")[::2] for part in limit or ())
    texts = {name: text for name, text in values.items() if text} | others
    now = _now()
    with open_queue() as queue:
        settings = queue.settings
        if any(key.name == name for key in ApiKeys(settings.api_keys).listing()):
            raise KeyConflict(f"ALODIAL_API_KEYS has a key named {name}; use another name")
        record, secret = key_records.new_record(
            name,
            roles.split("+"),
            own=own,
            limits=texts,
            base=limits_from_text(settings.own_key_limits if own else ""),
            expires=_until("--expires", expires, now),
            actor=current_actor(),
            now=now,
        )
        queue.store.run_steps(key_records.create, record)
    _print_new(key_records.listing_of(record, {}, now), secret, as_json)


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """Show all keys, without their secrets.

    Example: alodial keys list
    """
    from ..api_keys import ApiKeys
    from ..key_limits import limits_from_text
    from ..store import key_records

    with open_queue() as queue:
        own_limits = limits_from_text(queue.settings.own_key_limits)
        of_settings = ApiKeys(queue.settings.api_keys, own_limits)
        rows = queue.store.run_steps(key_records.listings, of_settings, _now())
    if as_json:
        for row in rows:
            document(row.to_dict())
        return
    if not rows:
        say("there are no keys: alodial keys create NAME")
        return
    columns = ("name", "state", "roles", "own", "limits", "expires", "last used", "source")
    table(
        columns,
        [
            (
                row.name,
                row.state,
                "+".join(row.roles),
                "own" if row.own else "",
                row.limits,
                local_time(row.expires_at),
                local_time(row.last_used_at),
                row.source,
            )
            for row in rows
        ],
    )


@app.command()
def rotate(
    name: Name,
    grace: Annotated[str, typer.Option(help="How long the secret of before stays valid: 24h; 0 for not at all.")] = "0",
    expires: Expires = "",
    as_json: Json = False,
) -> None:
    """Give a key a new secret and print it, this once. A revoked key is in use again.

    Example: alodial keys rotate shop --grace 24h
    """
    from ..store import key_records

    now = _now()
    with open_queue() as queue:
        record, secret = queue.store.run_steps(
            key_records.rotate,
            name,
            grace_ms=1000 * parse_seconds("--grace", grace),
            expires=_until("--expires", expires, now),
            now=now,
        )
    _print_new(key_records.listing_of(record, {}, now), secret, as_json)


@app.command()
def revoke(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Revoke a key: every web process refuses it within about a second, and its sessions end. Asks on a terminal.

    Example: alodial keys revoke shop
    """
    from ..store import key_records

    confirm_person(f"Revoke key {name}? Programs that use it are refused at once.", yes=yes)
    now = _now()
    with open_queue() as queue:
        record = queue.store.run_steps(key_records.revoke, name, now=now)
    if as_json:
        document(key_records.listing_of(record, {}, now).to_dict())
    else:
        say(f"key {name} is revoked")
