"""Draws which room of alodial imports which, for docs/architecture.md. Run it to write the picture anew."""

import re
from pathlib import Path

import grimp

from .text import ROOT

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- imports: begin -->", "<!-- imports: end -->"
BESIDE = {"testing"}
"""Rooms that are left out: a Redis server for tests and the demo."""


def room_imports(package: str) -> dict[str, set[str]]:
    """Which rooms (files and folders at the package's top) each room imports."""
    graph = grimp.build_graph(package)
    rooms: dict[str, set[str]] = {}
    for module in graph.modules:
        room = module.split(".")[1] if "." in module else None
        if room is None or room in BESIDE:
            continue
        targets = rooms.setdefault(room, set())
        for imported in graph.find_modules_directly_imported_by(module):
            parts = imported.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] != room and parts[1] not in BESIDE:
                targets.add(parts[1])
    return rooms


def without_shortcuts(rooms: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph without an arrow where a longer way leads to the same room. The graph must have no cycle."""
    reach: dict[str, set[str]] = {}

    def reachable(room: str) -> set[str]:
        if room not in reach:
            reach[room] = set(rooms[room]).union(*(reachable(target) for target in rooms[room]))
        return reach[room]

    return {
        room: {t for t in targets if not any(t in reachable(other) for other in targets - {t})}
        for room, targets in rooms.items()
    }


def render() -> str:
    """The picture as a Mermaid flowchart, the same at each run."""
    lines = ["```mermaid", "flowchart TD"]
    for room, targets in sorted(without_shortcuts(room_imports("alodial")).items()):
        lines += [f"    {room} --> {target}" for target in sorted(targets)]
    return "\n".join([*lines, "```"])


def drawn() -> str:
    """The picture that is on the page now."""
    match = re.search(f"{BEGIN}\n(.*)\n{END}", PAGE.read_text(), re.DOTALL)
    return match[1] if match else ""


def write(page: Path = PAGE) -> None:
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{render()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    write()
