"""The command `alodial sandbox`. It imports the sandbox when it runs, so that `alodial --help` does without its extra."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .behaviours import Trouble
from .result_forms import Encoding, Spelling

if TYPE_CHECKING:
    from .config import Announcements


def sandbox(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one and prints it.")
    ] = 0,
    callback_url: Annotated[
        str | None,
        typer.Option(
            envvar="ALODIAL_SANDBOX_CALLBACK_URL",
            help="Where results are POSTed; unset: nowhere. It holds a secret, so better in the environment.",
        ),
    ] = None,
    speed: Annotated[float, typer.Option(help="How many times faster than real time calls run, up to 10000.")] = 1.0,
    announce: Annotated[
        list[str] | None,
        typer.Option(help="Audio file of a stage: initiator=FILE, recipient=FILE, next=FILE, failed=FILE."),
    ] = None,
    scenario: Annotated[Path | None, typer.Option(help="JSON file: what listed numbers and queues do.")] = None,
    cassette: Annotated[
        Path | None, typer.Option(help="JSON file of alodial provider check: its answers and results are played.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="Random trouble and its probability: answer_lost=0.03.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices: the same seed makes the same trouble.")] = 0,
    answer_delay: Annotated[float, typer.Option(min=0, help="Real seconds before a POST is answered.")] = 0.0,
    slow_answer: Annotated[
        float | None, typer.Option(min=0, help="Real seconds before a `slow` answer; unset: 30 simulated seconds.")
    ] = None,
    callback_encoding: Annotated[Encoding, typer.Option(help="How results are written.")] = "json",
    callback_spelling: Annotated[Spelling, typer.Option(help="How the list fields of results are spelled.")] = "id",
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="A person plays the phones, on the page /sandbox/phone.")
    ] = False,
    hand_seconds: Annotated[
        float, typer.Option(help="Real seconds that a phone waits for a person before automatic play resumes.")
    ] = 120.0,
    ledger: Annotated[Path | None, typer.Option(help="File that gets one JSON line for each POST that rings.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ALODIAL_SANDBOX_TOKEN", help="The only token accepted; unset: every token.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Simulate AloVoice on this machine. No real phone rings; it records which numbers would have rung.

    Numbers ending in 90 are busy, 91 do not answer, 92 meet congestion, 93 are unavailable; docs/sandbox.md has more.

    Example: alodial sandbox --port 8090 --speed 60
    """
    from pydantic import SecretStr, ValidationError

    from .cassette import read_cassette
    from .config import SandboxConfig
    from .run import serve
    from .scenario import Scenario, read_scenario

    try:
        config = SandboxConfig(
            callback_url=None if callback_url is None else SecretStr(callback_url),
            callback_encoding=callback_encoding,
            callback_spelling=callback_spelling,
            token=None if token is None else SecretStr(token),
            speed=speed,
            announcements=read_announcements(announce or []),
            scenario=Scenario() if scenario is None else read_scenario(scenario),
            cassette=None if cassette is None else read_cassette(cassette),
            faults=read_faults(fault or []),
            seed=seed,
            answer_delay=answer_delay,
            slow_answer=slow_answer,
            by_hand=by_hand,
            hand_seconds=hand_seconds,
            ledger=ledger,
        )
    except ValidationError as problem:
        texts = [f"{'.'.join(str(step) for step in e['loc'])}: {e['msg']}" for e in problem.errors()]
        raise typer.BadParameter("; ".join(texts)) from None
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None
    try:
        if ledger is not None:
            ledger.open("ab").close()
        serve(config, host, port)
    except OSError as problem:
        typer.echo(
            f"error: cannot start on {host}:{port}: {problem.strerror}; name another --port or --ledger", err=True
        )
        raise typer.Exit(1) from None


def read_announcements(texts: list[str]) -> "Announcements":
    """`["initiator=hello.wav", ...]` as Announcements. Raises ValueError, which names the wrong text."""
    from .config import Announcements

    stages = tuple(Announcements.model_fields)
    files: dict[str, str] = {}
    for text in texts:
        stage, _, file = text.partition("=")
        if stage not in stages or not file:
            raise ValueError(f"--announce {text!r}: write STAGE=FILE with a stage of {', '.join(stages)}")
        files[stage] = file
    return Announcements(**files)


def read_faults(texts: list[str]) -> dict[Trouble, float]:
    """`["answer_lost=0.03", ...]` as probabilities by trouble. Raises ValueError, which names the wrong text."""
    faults: dict[Trouble, float] = {}
    for text in texts:
        name, _, probability = text.partition("=")
        try:
            faults[Trouble(name)] = float(probability)
        except ValueError:
            names = ", ".join(trouble.value for trouble in Trouble)
            raise ValueError(f"--fault {text!r}: write NAME=PROBABILITY with a name of {names}") from None
    return faults
