"""Every example in README and docs is run, or at least read by the thing that it is for."""

import codeop
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from alodial.cli.app import app
from alodial_schemas import parse_call

from .conftest import Installation
from .snippets import blocks, commands, curl, reads_as_json
from .text import ROOT, pages

PAGES = [page for page in pages() if blocks(page)]
CHECKED = {"sh", "python", "json", "text", "mermaid", "yaml"}


def _named(language: str) -> list[Path]:
    return [page for page in pages() if blocks(page, language)]


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_block_says_what_it_is_in_a_language_that_is_checked(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= CHECKED


@pytest.mark.parametrize("page", _named("json"), ids=_id)
def test_json_examples_are_json_and_those_that_are_calls_can_be_placed(page: Path) -> None:
    for block in blocks(page, "json"):
        value = json.loads(block.text)
        if isinstance(value, dict) and "callto" in value:
            parse_call(value)


@pytest.mark.parametrize("page", _named("yaml"), ids=_id)
def test_yaml_examples_are_yaml(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("page", _named("mermaid"), ids=_id)
def test_drawings_begin_as_mermaid_wants(page: Path) -> None:
    for block in blocks(page, "mermaid"):
        assert block.text.split()[0] in {"flowchart", "stateDiagram-v2", "sequenceDiagram"}
        assert len(re.findall(r"^ *subgraph\b", block.text, re.MULTILINE)) == len(
            re.findall(r"^ *end$", block.text, re.MULTILINE)
        )


@pytest.mark.parametrize("page", _named("python"), ids=_id)
def test_python_examples_can_be_pasted_into_an_interactive_session(page: Path) -> None:
    """There, an empty line ends a loop or a function: without it the next statement is a syntax error."""
    for block in blocks(page, "python"):
        pending: list[str] = []
        for line in [*block.text.splitlines(), ""]:
            pending.append(line)
            if codeop.compile_command("\n".join(pending), str(page), "single") is not None:
                pending = []
        assert not pending


@pytest.mark.slow
@pytest.mark.parametrize("page", _named("python"), ids=_id)
def test_python_examples_run(page: Path, installation: Installation) -> None:
    installation.forget_campaigns()
    done = installation.python([block.text for block in blocks(page, "python")])
    assert done.returncode == 0, done.stderr[-2000:]
    assert "alodial.call." in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", _named("sh"), ids=_id)
def test_shell_examples_run(page: Path, installation: Installation) -> None:
    installation.forget_campaigns()
    placed = installation.run("call", "two-way", "--from", "712037006", "--to", "994412860", "--json")
    assert placed.returncode == 0, placed.stderr
    known = {"KEY": installation.key, "ID": json.loads(placed.stdout.splitlines()[0])["id"]}
    for block in blocks(page, "sh"):
        for words in commands(block.text):
            _run([_filled(word, known, installation) for word in words], installation)


def _filled(word: str, known: dict[str, str], installation: Installation) -> str:
    for name, value in known.items():
        word = word.replace(f"${name}", value)
    return word.replace("http://127.0.0.1:8080", installation.web)


def _run(words: list[str], installation: Installation) -> None:
    match words:
        case [assignment, *_] if assignment.startswith("KEY=$("):
            pass  # the key of a person's own .env; tests/cli/test_init.py runs this line in such a folder
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make {target}"
        case ["curl", *rest]:
            answer = curl(rest)
            assert answer.status in {200, 202}, f"{' '.join(words)}\n{answer}"
            assert reads_as_json(answer.body)
        case ["alodial", "alerts", "test"]:
            pass  # needs somebody who takes the message; tests/observability/test_alerts.py runs it with a receiver
        case ["alodial", *rest]:
            done = installation.run(*rest)
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        case _:
            raise AssertionError(f"nobody checks this command: {' '.join(words)}")


def _mentioned() -> list[tuple[str, ...]]:
    """Every command of ours that a page names: in a block of text, in an indented block, or in the midst of a sentence."""
    found = set()
    for page in pages():
        text = re.sub(r"^    ", "", page.read_text(), flags=re.MULTILINE)
        inline = re.findall(r"`(alodial [a-z][^`\n]*)`", text)
        lines = re.findall(r"^(?:[A-Z_]+=\S* )*(alodial [a-z](?:[^\n]*\\\n)*[^\n]*)$", text, re.MULTILINE)
        # A line of prose may begin with the name too; a command has lower-case words, then options or arguments.
        for line in inline + [line for line in lines if " --" in line]:
            words = line.replace("\\\n", " ").split()[1:]
            named = []
            for word in words:
                if not re.fullmatch(r"[a-z][a-z-]*", word):
                    break
                named.append(word)
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            found.add((" ".join(named), *options))
    return sorted(found)


# Worded as the contract words them for all commands at once, or said by a page to be a program's output.
NO_COMMANDS = {"web listening on"}


def test_every_command_and_option_that_a_page_names_exists() -> None:
    for named, *options in _mentioned():
        if any(named.startswith(words) for words in NO_COMMANDS):
            continue
        command: Any = typer.main.get_command(app)
        for word in named.split():
            if not hasattr(command, "commands"):
                break  # an argument, such as a campaign's name
            assert word in command.commands, f"alodial {named}: there is no {word}"
            command = command.commands[word]
        known = {"--help"} | {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        assert set(options) <= known, f"alodial {named}"
