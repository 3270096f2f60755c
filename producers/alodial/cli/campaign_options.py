"""The arguments and options that `alodial campaign` commands share."""

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Json
from .language import Language

File = Annotated[
    Path, typer.Argument(help="CSV, XLSX, ODS or NDJSON; `alodial campaign template` writes an empty one.")
]
Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id, the beginning of its id, or its name.")]
NewName = Annotated[str, typer.Option("--name", help="Name of the new campaign.")]
Reason = Annotated[str, typer.Option(help="Why, for the activity log.")]
Again = Annotated[bool, typer.Option("--again", help="Also if these rows were submitted before.")]
Key = Annotated[str, typer.Option(help="The same key with the same command gives the same campaign; new by default.")]
Errors = Annotated[Path | None, typer.Option("--errors", help="Write the rejected rows to this file, with reasons.")]
Sheet = Annotated[str | None, typer.Option(help="The workbook's sheet to read.")]
HeaderRow = Annotated[
    int | None, typer.Option(min=0, help="Row number of the column names; 0 for a file without them.")
]
HiddenRows = Annotated[
    str | None, typer.Option("--hidden", help="Rows that the spreadsheet program hides: keep or skip.")
]
Texts = list[str] | None


def new_key() -> str:
    """An idempotency key for one run of a command."""
    import secrets

    return secrets.token_hex(16)


def request_options(
    file: File,
    name: Annotated[str, typer.Option(help="Name of the campaign; the file's name by default.")] = "",
    initiator: Annotated[
        str | None, typer.Option("--from", help="Two-way: the initiator, rung before each row's phones.")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="PBX queue that each row's phone is connected to.")] = None,
    ivr: Annotated[
        int | None, typer.Option(help="IVR menu that each row's phone is connected to; needs --line.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="The line that IVR calls go out from.")] = None,
    lang: Annotated[str | None, typer.Option(help="Language of announcements for rows without their own.")] = None,
    account: Annotated[str, typer.Option(help="The AloVoice account.")] = "default",
    sheet: Sheet = None,
    header_row: HeaderRow = None,
    hidden: HiddenRows = None,
    map: Annotated[
        Texts, typer.Option(help="FIELD=COLUMN, a name or a letter, for a column that is not recognised.")
    ] = None,
    metadata: Annotated[Texts, typer.Option(help="NAME=VALUE, returned in the events of every call.")] = None,
    hours: Annotated[
        str | None, typer.Option(help='When phones may ring: "mon-fri 09:00-18:00; sat 10:00-14:00".')
    ] = None,
    zone: Annotated[str | None, typer.Option(help='Time zone of --hours, or "number" for each number\'s own.')] = None,
    holiday: Annotated[Texts, typer.Option(help="A day without calls, such as 2027-03-21; may be repeated.")] = None,
    starts_at: Annotated[
        str | None, typer.Option("--start", help="Do not call before: +2h, or ISO 8601 with zone.")
    ] = None,
    ends_at: Annotated[
        str | None, typer.Option("--end", help="Rows that are not called by then expire: +1d, or ISO 8601 with zone.")
    ] = None,
    pace: Annotated[float | None, typer.Option(help="Calls per second at most.")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of the account at most.")] = None,
    priority: Annotated[str | None, typer.Option(help="bulk or normal.")] = None,
    weight: Annotated[int | None, typer.Option(help="Share beside other campaigns, 1 to 100.")] = None,
    redial: Annotated[
        str | None, typer.Option(help='Outcomes to call again, with delays: "busy=5m,15m no_answer=1h,4h".')
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option(help="Attempts per row at most, the first included; 3 by default.")
    ] = None,
    max_attempts_per_day: Annotated[int | None, typer.Option(help="Attempts per row and day at most.")] = None,
    row_ttl: Annotated[
        str | None, typer.Option(help="Rows that are not called this long after the start expire: 90m, 2d.")
    ] = None,
    daily_calls: Annotated[int | None, typer.Option(help="Calls per day at most.")] = None,
    daily_minutes: Annotated[int | None, typer.Option(help="Minutes of talk per day at most.")] = None,
    prefix: Annotated[Texts, typer.Option(help="Only numbers that begin so, such as +99890; may be repeated.")] = None,
    goal: Annotated[int | None, typer.Option(help="Stop after this many answered calls; the rest is canceled.")] = None,
    stop_after_failures: Annotated[int | None, typer.Option(help="Pause after this many failures in a row.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The policy as a JSON or TOML file; the options override it.")
    ] = None,
    errors: Errors = None,
    language: Language = None,
    as_json: Json = False,
) -> None:
    """What a campaign is made from: the file and the options of ``check`` and ``submit``."""
