"""The last part of the demo: a campaign of 300 rows from the shipped sample, watched until its last row has ended."""

import time
from collections import Counter
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from alodial.calls.queue import CallQueue
from alodial.campaigns.records import CampaignRecord
from alodial.campaigns.samples import sample_path
from alodial.campaigns.stored_fields import read_campaign
from alodial_schemas import ENDS
from alodial_schemas.counts import count_text
from alodial_schemas.durations import duration_text

from .report import checks, title
from .scenarios import INITIATOR
from .stack import ProcessStack
from .verify import ledger
from .watch import INTERVAL

# The account of the campaign, with limits of its own.
ACCOUNT: Final = "campaigns"
_TIMEOUT: Final = 180.0
# Round the clock, because the demo runs at night too; a real campaign keeps its calling hours.
_REQUEST: Final[dict[str, Any]] = {
    "name": "sample",
    "call": {"kind": "two-way", "callfrom": INITIATOR, "account": ACCOUNT},
    "policy": {
        "hours": {"windows": "00:00-24:00"},
        "redial": {
            "max_attempts": 3,
            "delays": {"busy": [2, 4], "no_answer": [3], "congestion": [2], "unavailable": [2]},
        },
    },
}


def run_campaign(stack: ProcessStack, queue: CallQueue, console: Console) -> bool:
    """Submits the sample, watches it, compares it with the sandbox's ledger. Whether every row ended, and no attempt rang
    twice."""
    request = read_campaign(_REQUEST, stack.settings)
    check = queue.campaigns.check(sample_path(), request)
    columns = ", ".join(f"{field} = {column}" for field, column in check.understood.items())
    title(console, "A campaign from a spreadsheet; busy and unanswered numbers are dialled up to three times")
    console.print(
        f"{check.name}: {check.kind}, {check.encoding}; {columns}\n{check.rows} rows: {check.good} good, {check.bad} bad, "
        f"{check.duplicate} duplicate, {check.suppressed} on the do-not-call list",
        highlight=False,
    )
    record = _watch(queue.campaigns.submit(sample_path(), request, actor="demo"), stack, queue, console)
    rows = list(queue.campaigns.rows(record.id))
    outcomes = Counter((row.disposition or row.state, row.attempts) for row in rows)
    for (outcome, attempts), count in sorted(outcomes.items()):
        console.print(f"{count:5} {outcome} at attempt {attempts}", highlight=False)
    rate = "" if record.answer_rate is None else f"answer rate {record.answer_rate:.0%}, "
    console.print(Text(f"{rate}talk time {duration_text(record.talk_seconds)} (simulated)", style="dim"))
    ended = sum(row.state in ENDS for row in rows)
    redialled = sum(row.attempts > 1 for row in rows)
    twice = sum(times > 1 for times in ledger(stack)["extids"].values())
    return checks(
        console,
        [
            (
                f"the campaign is {record.state}: {ended} of {record.rows['good']} rows have ended",
                record.state == "completed" and ended == len(rows) == record.rows["good"],
            ),
            (f"{redialled} rows were dialled again", redialled > 0),
            (f"{record.attempts} attempts; rung twice, by the sandbox's ledger: {twice}", twice == 0),
        ],
    )


def _watch(record: CampaignRecord, stack: ProcessStack, queue: CallQueue, console: Console) -> CampaignRecord:
    """Prints a line for each tenth of the rows that has ended; the last record, completed or after the timeout."""
    ends, tenth = time.monotonic() + _TIMEOUT, -1
    while record.state != "completed" and time.monotonic() < ends:
        time.sleep(INTERVAL)
        stack.check()
        record = queue.campaigns.get(record.id)
        if int(record.progress * 10) != tenth:
            tenth = int(record.progress * 10)
            calls = ", ".join(f"{count} {state}" for state, count in record.calls.items())
            console.print(
                f"  {record.progress:4.0%}  {calls}; {count_text(record.attempts, 'attempt')}", highlight=False
            )
    return record
