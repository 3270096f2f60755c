"""What cannot be undone asks on a terminal, and needs --yes without one; times and tables for people; errors as JSON."""

import io
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from alodial.calls.queue import CallQueue
from alodial.cli import output
from alodial.cli.arguments import parse_moment, parse_time
from alodial.cli.local_time import local_time
from monitor.call_stage import Stage

from .conftest import TWO_WAY, Alodial


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _ended(alodial: Alodial) -> str:
    extid: str = alodial(*TWO_WAY, "--json").documents[0]["extid"]
    alodial("calls", "cancel", extid)
    return extid


def _campaign(alodial: Alodial) -> str:
    Path("list.csv").write_text("phone\n994412860\n")
    assert alodial("campaign", "submit", "list.csv", "--from", "712037006", "--name", "mine", "--paused").code == 0
    return "mine"


@pytest.mark.parametrize("command", ["calls redial", "campaign cancel", "dnc remove", "dead drop"])
def test_what_cannot_be_undone_is_not_done_without_a_yes(
    command: str, alodial: Alodial, dead: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: dict[str, Callable[[], str]] = {
        "calls redial": lambda: _ended(alodial),
        "campaign cancel": lambda: _campaign(alodial),
        "dnc remove": lambda: "994412860" if alodial("dnc", "add", "994412860").code == 0 else "",
        "dead drop": lambda: dead(b"not json"),
    }
    name = makers[command]()
    words = command.split()
    listing = {"calls": ("calls", "list"), "campaign": ("campaign", "show", "mine"), "dnc": ("dnc", "list")}.get(
        words[0], ("dead", "list")
    )
    before = alodial(*listing, "--json").out
    done = alodial(*words, name)
    assert (done.code, "repeat the command with --yes" in done.err) == (2, True)
    assert alodial(*listing, "--json").out == before
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert alodial(*words, name).code == 130
    assert alodial(*listing, "--json").out == before
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert alodial(*words, name).code == 0
    assert alodial(*listing, "--json").out != before


def test_the_question_about_an_unconfirmed_call_says_that_its_phone_may_have_rung(
    alodial: Alodial, queue: CallQueue
) -> None:
    done = alodial("calls", "redial", Stage(queue).unconfirmed().extid)
    assert "its phone may have rung, and would ring a second time" in done.err


def test_a_time_may_be_relative() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert parse_moment("--not-before", "+2h", now) == "2026-11-25T14:00:00+00:00"
    assert parse_moment("--not-before", "+1d", now) == "2026-11-26T12:00:00+00:00"
    assert parse_moment("--not-before", "2026-11-25T14:00:00+05:00", now) == "2026-11-25T14:00:00+05:00"
    assert parse_moment("--not-before", None, now) is None
    assert parse_time("--since", "2h", now) == parse_time("--since", "-2h", now)
    for text in ("+2", "+", "+2 weeks", "+999999d999"):
        with pytest.raises(typer.BadParameter, match=r"--start .*\+2h"):
            parse_moment("--start", text, now)


def test_a_call_may_be_placed_for_later_by_a_relative_time(alodial: Alodial) -> None:
    [call] = alodial(*TWO_WAY, "--not-before", "+2h", "--expires-at", "+1d", "--json").documents
    record = alodial("calls", "show", call["extid"], "--json").documents[0]
    left = datetime.fromisoformat(record["not_before"]) - datetime.now(UTC)
    assert timedelta(minutes=110) < left <= timedelta(hours=2)
    assert record["state"] == "scheduled"


def test_times_are_local_with_their_zone(alodial: Alodial, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALODIAL_TIMEZONE", "Asia/Tashkent")
    alodial(*TWO_WAY)
    assert local_time("2026-11-25T20:30:01.250Z") == "2026-11-26 01:30:01 +05"
    assert local_time("2026-11-25T20:30:01.250Z", precise=True) == "2026-11-26 01:30:01.250 +05"
    assert re.search(r"\d\d:\d\d:\d\d \+05", alodial("calls", "list").out)


def test_a_campaign_with_rejected_rows_is_submitted_with_exit_code_0_and_a_code_of_its_own(alodial: Alodial) -> None:
    Path("list.csv").write_text("phone\n994412860\n12\n")
    done = alodial("campaign", "submit", "list.csv", "--from", "712037006", "--paused", "--json")
    assert (done.code, done.documents[0]["code"]) == (0, "rows_rejected")
    Path("good.csv").write_text("phone\n994412861\n")
    done = alodial("campaign", "submit", "good.csv", "--from", "712037006", "--paused", "--json")
    assert (done.code, done.documents[0]["code"]) == (0, "submitted")


@pytest.mark.parametrize(
    ("command", "code", "exit_code"),
    [
        (("calls", "show", "17"), "not_found", 1),
        (("calls", "list", "--state", "no"), "usage", 2),
        (("call", "two-way", "--from", "712037006", "--to", "abc"), "invalid_call", 2),
    ],
)
def test_with_json_an_error_is_a_document(
    command: tuple[str, ...], code: str, exit_code: int, alodial: Alodial
) -> None:
    done = alodial(*command, "--json")
    assert done.code == exit_code
    assert done.documents[-1]["error"]["code"] == code
    assert done.err.startswith("error: ")


COLUMNS = ("extid", "state", "created", "to", "reference")
ROW = ("937986460982123", "submitted", "2026-11-25 14:00:00 +05", "+998994412860", "a text of some length " * 3)


def test_a_narrow_terminal_cuts_off_no_time_and_no_heading(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words with spaces between them: rich would shrink their column to the longest word."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    row = ("2026-11-25 14:00:00 +05", "campaign submit", "cli:manager", "100.0 %", "webhooks test")
    output.table(("at", "act", "actor", "answer rate", "via"), [row])
    printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(value in printed for value in (*row, "answer rate"))


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_table_fits_a_narrow_terminal_and_breaks_no_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    output.table(COLUMNS, [ROW])
    printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(value in printed for value in ROW[:4])
    if width >= 80:
        assert max(map(len, printed.splitlines())) <= width


@pytest.mark.parametrize("command", [("calls", "cancel", "17"), ("keys", "revoke", "shop")])
def test_a_person_is_asked_before_a_key_or_a_call_ends_and_a_script_is_not(
    command: tuple[str, ...], alodial: Alodial, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question, **_: asked.append(question))
    alodial(*command)
    assert asked == []
    monkeypatch.setattr(sys, "stdin", Terminal())
    alodial(*command)
    alodial(*command, "--yes")
    assert len(asked) == 1
