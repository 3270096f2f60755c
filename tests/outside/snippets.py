"""Reads the fenced blocks of a page, and runs those that are for a shell against a plant on this machine."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import httpx

FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:    .*\n)+")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language and what stands in it."""

    language: str
    text: str


def blocks(page: Path, language: str = "") -> list[Block]:
    text = page.read_text()
    found = [Block(*match.groups()) for match in FENCE.finditer(text)]
    # An indented block names no language: what begins with curl is for a shell too.
    plain = [re.sub(r"^    ", "", part, flags=re.MULTILINE) for part in INDENTED.findall(FENCE.sub("", text))]
    found += [Block("sh", part) for part in plain if part.startswith("curl ")]
    return [block for block in found if not language or block.language == language]


def commands(text: str) -> list[list[str]]:
    """A shell block as the words of its commands; a command may go over lines by a backslash or within quotes."""
    found, pending = [], ""
    for line in text.splitlines():
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation goes on in the next line
            pending += "\n"
            continue
        pending = ""
        if words:
            found.append(words)
    assert not pending, f"ends within a command: {pending}"
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


def curl(words: list[str]) -> Answer:
    """What curl would do, for the options that our pages use. An event stream is read up to its first event."""
    method, url, data, stream = "", "", None, False
    headers: dict[str, str] = {}
    form: list[tuple[str, tuple[None, str]]] = []
    rest = iter(words)
    for word in rest:
        match word:
            case "-X" | "--request":
                method = next(rest)
            case "-H" | "--header":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d" | "--data" | "--data-binary":
                data = next(rest)
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            case "-F" | "--form":
                name, _, value = next(rest).partition("=")
                form.append((name, (None, value)))
            case "-N" | "--no-buffer":
                stream = True
            case "-s" | "-S" | "-sS" | "-f" | "-i":
                pass
            case _:
                assert word.startswith("http://127.0.0.1:"), f"an option of curl that this reader does not know: {word}"
                url = word
    method = method or ("POST" if data is not None or form else "GET")
    with (
        httpx.Client(timeout=20, trust_env=False) as client,
        client.stream(method, url, headers=headers, content=data, files=form or None) as answer,
    ):
        if not stream:
            return Answer(answer.status_code, answer.read().decode())
        for line in answer.iter_lines():
            if line.startswith("data:"):
                return Answer(answer.status_code, line.removeprefix("data:"))
        raise AssertionError("the event stream ended without an event")


def reads_as_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
