"""The command's options and the scenario file."""

import inspect
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner

from alodial_workers.sandbox.behaviours import BEHAVIOUR_ENDINGS, TROUBLE_ENDINGS
from alodial_workers.sandbox.commands import read_announcements, read_faults, sandbox
from alodial_workers.sandbox.config import SandboxConfig
from alodial_workers.sandbox.scenario import read_scenario

from .conftest import sandbox_with


def scenario_file(folder: Path, content: object) -> Path:
    file = folder / "scenario.json"
    file.write_text(json.dumps(content))
    return file


def run(*options: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(sandbox)
    result = CliRunner().invoke(app, list(options))
    return result.exit_code, result.output


def test_a_scenario_overrides_the_magic_endings_however_the_number_is_written(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {
        "+998901234590": {"behaviour": "answers", "ring_seconds": 0, "talk_seconds": 0},
        "998901234501": {"behaviour": "busy"},
        "901234502": {"trouble": ["reject"]},
    }
    chosen = read_scenario(scenario_file(tmp_path, {"numbers": numbers, "queues": {"1": {"behaviour": "no_answer"}}}))
    with sandbox_with(scenario=chosen) as running:
        running.two_way("+998901234501", "901234590", extid="1")
        assert "recipient +998901234501 busy" in running.story("1")
        assert "recipient 901234590 connected" in running.story("1")
        assert running.two_way("901234502", extid="2").status_code == 400
        running.post({"callfrom": {"phone": "712037006"}, "callto": [{"queue": "1"}], "extid": "3"})
        assert "queue 1 no_answer" in running.story("3")


def test_a_call_canceled_while_the_recipient_rings_ends_without_an_event_of_its_own(tmp_path: Path) -> None:
    chosen = read_scenario(scenario_file(tmp_path, {"numbers": {"901234501": {"behaviour": "canceled"}}}))
    with sandbox_with(scenario=chosen, announcements={"next": "3.wav", "failed": "4.wav"}) as running:
        running.two_way("901234501", "901234502", extid="1")
        assert running.story("1")[2:] == ["recipient 901234501 ringing", "call ended"]
        (call,) = running.http.get("/sandbox/calls").json()["calls"]
    assert call["dialstatus"] == "CANCEL"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"numbers": {"901234501": {"behaviour": "sleeps"}}}, "numbers.901234501.behaviour"),
        ({"numbers": {"901234501": {"ring_seconds": -1}}}, "numbers.901234501.ring_seconds"),
        ({"numbers": {"x": {}}}, "not a phone number"),
        ({"phones": {}}, "phones"),
        ([], "file"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused_with_the_field(tmp_path: Path, content: object, said: str) -> None:
    file = scenario_file(tmp_path, content)
    with pytest.raises(ValueError, match="scenario") as refusal:
        read_scenario(file)
    assert said in str(refusal.value)
    code, output = run("--scenario", str(file))
    assert code == 2
    assert "scenario" in output


@pytest.mark.parametrize(
    "options",
    [
        ("--speed", "0"),
        ("--speed", "10001"),
        ("--fault", "answer_lost=2"),
        ("--fault", "answer_lost"),
        ("--fault", "nonsense=0.5"),
        ("--announce", "hello.wav"),
        ("--announce", "later=hello.wav"),
        ("--callback-url", "ftp://somewhere"),
        ("--callback-encoding", "xml"),
        ("--scenario", "no-such-file.json"),
    ],
)
def test_a_wrong_option_is_wrong_usage(options: tuple[str, str]) -> None:
    code, output = run(*options)
    assert code == 2
    assert output


def test_a_port_or_a_ledger_that_cannot_be_had_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = run("--port", str(taken.getsockname()[1]))
    assert (code, "in use" in output) == (1, True)
    code, output = run("--ledger", str(tmp_path / "no-such-folder" / "ledger.jsonl"))
    assert (code, "No such file" in output) == (1, True)


def test_the_help_shows_an_example() -> None:
    code, output = run("--help")
    assert code == 0
    assert "Example: alodial sandbox --port 8090" in output


def test_announcements_and_faults_are_read_from_their_texts() -> None:
    assert read_announcements(["initiator=a=b.wav", "next=c.wav"]).model_dump(exclude_none=True) == {
        "initiator": "a=b.wav",
        "next": "c.wav",
    }
    assert read_faults(["answer_lost=0.03", "refuse=1"]) == {"answer_lost": 0.03, "refuse": 1.0}


def test_the_callback_url_is_not_repeated_in_an_error() -> None:
    with pytest.raises(ValidationError) as refusal:
        SandboxConfig.model_validate({"callback_url": "ftp://host/s3cret"})
    assert "s3cret" not in str(refusal.value)
    assert "s3cret" not in run("--callback-url", "ftp://host/s3cret")[1]


def test_the_answer_waits_for_the_answer_delay_while_the_phones_ring_at_once() -> None:
    with sandbox_with(answer_delay=0.2) as running:
        began = time.monotonic()
        running.two_way("901234501", extid="1")
        assert time.monotonic() - began >= 0.2
        assert running.http.get("/sandbox/calls/1").json()["timeline"][-1]["event"] == "ended"


def test_the_documentation_names_every_option_ending_and_trouble() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    endings = {ending: name.value for ending, name in (BEHAVIOUR_ENDINGS | TROUBLE_ENDINGS).items()}
    for ending, name in endings.items():
        assert f"| {ending} | `{name}` |" in page
    for option in inspect.signature(sandbox).parameters:
        assert f"`--{option.replace('_', '-')}" in page
