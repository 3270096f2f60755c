"""The arguments and options that `alodial campaign` commands share."""

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path, typer.Argument(help="CSV, XLSX or NDJSON; `alodial campaign template` writes one to begin with.")
]
Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id, a beginning of it, or its name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Title = Annotated[str, typer.Option("--name", help="What it is called; the file's name when not given.")]
From = Annotated[str | None, typer.Option("--from", help="Two-way: the initiator, rung before each row's phones.")]
QueueName = Annotated[str | None, typer.Option("--queue", help="PBX queue: each row's phone is rung and joined to it.")]
Ivr = Annotated[int | None, typer.Option("--ivr", help="IVR menu that each row's phone is put into; needs --line.")]
Line = Annotated[str | None, typer.Option("--line", help="The line that an IVR call goes out from.")]
Lang = Annotated[str | None, typer.Option(help="Language of announcements, where a row gives none.")]
Account = Annotated[str, typer.Option(help="AloVoice account.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN where a column's name does not tell.")]
Metadata = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, handed back in the events of every call.")]
Hours = Annotated[str | None, typer.Option(help='When it may ring: "mon-fri 09:00-18:00; sat 10:00-14:00".')]
Zone = Annotated[str | None, typer.Option(help='Zone of the hours, or "number" for the number\'s own.')]
Holiday = Annotated[list[str] | None, typer.Option(help="A day on which it does not ring, such as 2027-03-21.")]
Start = Annotated[str | None, typer.Option("--start", help="ISO 8601 with zone: not before.")]
End = Annotated[str | None, typer.Option("--end", help="ISO 8601 with zone: what was not dialled by then expires.")]
Pace = Annotated[float | None, typer.Option(help="Calls a second, at most.")]
Channels = Annotated[int | None, typer.Option(help="Of the account's channels, at most.")]
Priority = Annotated[str | None, typer.Option(help="bulk or normal.")]
Weight = Annotated[int | None, typer.Option(help="Share beside other campaigns, 1 to 100.")]
Redial = Annotated[str | None, typer.Option(help='What is dialled again and when: "busy=5m,15m no_answer=1h,4h".')]
MaxAttempts = Annotated[int | None, typer.Option(help="Attempts for a row, the first included; 3 when not given.")]
PerDay = Annotated[int | None, typer.Option("--max-attempts-per-day", help="Of them in one day.")]
RowTtl = Annotated[str | None, typer.Option(help="A row not dialled this long after the start expires: 90m, 2d.")]
DailyCalls = Annotated[int | None, typer.Option(help="Calls in a day, at most.")]
DailyMinutes = Annotated[int | None, typer.Option(help="Minutes of talk in a day, at most.")]
Prefix = Annotated[list[str] | None, typer.Option(help="Only numbers of this beginning, such as +99890.")]
Goal = Annotated[int | None, typer.Option(help="So many answered calls are enough; the rest is canceled.")]
Failures = Annotated[int | None, typer.Option("--stop-after-failures", help="So many failures in a row pause it.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="The policy as JSON or TOML; options win over it.")]
Errors = Annotated[Path | None, typer.Option("--errors", help="Write the rows not taken there, each with its reason.")]
