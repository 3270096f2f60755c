"""Commands that other packages add, by the entry point group ``alodial.commands``.

They are looked up in the files of the installed distributions: importlib.metadata, with the parsers of mail and archives that it
imports, takes a fifth of ``alodial --help``. It does the search where this finds none, as in a packed application.
"""

import os
import sys
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

GROUP = "alodial.commands"


def added_commands() -> list[Callable[[Any], object]]:
    """Returns the functions that add commands to an application, each once. Raises what importing them raises."""
    places = dict.fromkeys(place for folder in sys.path for place in _places(folder or os.curdir))
    if not places:
        from importlib.metadata import entry_points

        places = dict.fromkeys(entry.value for entry in entry_points(group=GROUP))
    return [resolve_name(place) for place in places]


def _places(folder: str) -> list[str]:
    """Returns ``module:name`` of the group's entry points among the distributions in a folder; none where it has none."""
    found = []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    text = file.read()
            except OSError:
                continue
            found += _of_group(text)
    return found


def _of_group(text: str) -> list[str]:
    values, is_ours = [], False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            is_ours = line == f"[{GROUP}]"
        elif is_ours and "=" in line and not line.startswith(("#", ";")):
            values.append(line.partition("=")[2].partition("[")[0].strip())
    return values
