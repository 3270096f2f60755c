"""Writes proposed lines into `.env`: the line of a setting is replaced, or added at the end."""

import os
import re
import tempfile
from pathlib import Path


def with_line(text: str, setting: str, value: str) -> str:
    """Returns the text of `.env` with one setting: its line replaced (a commented one uncommented), or a new last line."""
    place = re.search(rf"^(?:export )?{setting}=.*$", text, re.MULTILINE) or re.search(
        rf"^# ?{setting}=.*$", text, re.MULTILINE
    )
    if place is not None:
        return f"{text[: place.start()]}{setting}={value}{text[place.end() :]}"
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{setting}={value}\n"


def write_lines(path: Path, values: dict[str, str]) -> None:
    """Writes settings into the file, which keeps its mode and is replaced at once. Raises OSError."""
    path = path.resolve()  # a link stays a link
    text = path.read_text("utf-8-sig")
    for setting, value in values.items():
        text = with_line(text, setting, value)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, path.stat().st_mode & 0o777)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
