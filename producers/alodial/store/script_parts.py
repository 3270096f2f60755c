"""Puts a Lua script together from its own text and those shared functions that it uses.

Redis runs a script's whole text each time, and making a function costs it 0.1 to 0.3 microseconds: all shared ones together cost
a third of a settled call. What is only needed after a script's own work (``AFTER``) is made only when there is such work. A
function whose first line ends with ``-- seldom``, and what only such functions need, is made when it is first called.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

AFTER = {
    "made_ready": "write_ready",
    "leased": "write_leases",
    "awaiting": "write_awaiting",
    "touched": "look_after_touched",
    "waiting": "write_lists",
    "ticks": "write_ticks",
    "counted": "write_counts",
}
"""Tables that a script's work fills, and the functions X lists,
counters.

They do it too for what was done before an error: the calls before a damaged one in a batch were moved.
"""

_NO_CODE = re.compile(r"""--[^\n]*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_NAME = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_DEFINED = re.compile(r"local function (\w+)|local ([\w, ]+?) *(?:=|$)|(\w+) = function")
_CLOSING = ("end", "}", ")")
_SELDOM = re.compile(r"-- seldom\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One statement at the outermost level: the names that it defines, those that it mentions, and its text."""

    defines: frozenset[str]
    mentions: frozenset[str]
    text: str

    @property
    def is_function(self) -> bool:
        """Whether it defines a function; anything else holds values that all functions share."""
        return "function" in self.mentions

    @property
    def seldom(self) -> bool:
        """Whether it is a function that ordinary calls do without."""
        return _SELDOM.search(self.text.partition("\n")[0] + "\n") is not None

    @property
    def assignment(self) -> str:
        """Its text where the function's name is declared before."""
        return re.sub(r"^local function (\w+)", r"\1 = function", self.text)


def names_in(text: str) -> frozenset[str]:
    """The names that Lua code mentions, but for fields; comments and strings mention nothing."""
    return frozenset(_NAME.findall(_NO_CODE.sub(" ", text)))


def split(source: str) -> list[Part]:
    """The outermost statements of a file in order. Each begins at the first column and nothing else in it does but its end."""
    texts: list[str] = []
    for line in source.splitlines(keepends=True):
        if line.startswith("--") or not line.strip():
            continue
        if line[0].isspace() or line.startswith(_CLOSING):
            texts[-1] += line
        else:
            texts.append(line)
    return [Part(_defined(text), names_in(text), text) for text in texts]


def _defined(text: str) -> frozenset[str]:
    found = _DEFINED.match(_NO_CODE.sub(" ", text.splitlines()[0]).rstrip())
    if found is None:
        raise ValueError(f"not the beginning of a shared function or value: {text.splitlines()[0]}")
    return frozenset(re.findall(r"\w+", found[1] or found[2] or found[3]))


def _needed(parts: Sequence[Part], names: Iterable[str], *, often: bool = False) -> list[Part]:
    """Those parts that define one of the names, or anything that these need, in their order.

    With ``often`` nothing that is seldom needed, nor what only that needs.
    """
    parts = [part for part in parts if not (often and part.seldom)]
    wanted, open_names, needed = set(names), set(names), set[Part]()
    while open_names:
        new = {part for part in parts if part not in needed and part.defines & open_names}
        needed |= new
        open_names = {name for part in new for name in part.mentions} - wanted
        wanted |= open_names
    return [part for part in parts if part in needed]


def _made_late(often: Sequence[Part], late: Sequence[Part], own: str) -> tuple[str, str]:
    """The declaration of functions that are made when one of them is first called, and the function that makes them.

    Those that others call are there from the beginning, in a form that makes them all first.
    """
    if not late:
        return "", ""
    called = names_in(own).union(*(part.mentions for part in often if part.is_function))
    entries = [part for part in late if part.defines & called]
    declared = [name for part in entries if part.text.startswith("local") for name in part.defines]
    maker = f"local function make()\n{''.join(part.assignment if part in entries else part.text for part in late)}end\n"
    for name in (name for part in entries for name in part.defines):
        maker += f"{name} = function(...) make() return {name}(...) end\n"
    return f"local {', '.join(declared)}\n" if declared else "", maker


def assemble(shared: Sequence[Part], own: str) -> str:
    """A script's text: the shared parts that it needs, its own as a function, and what comes after it."""
    all_needed = _needed(shared, names_in(own))
    used_often = set(_needed(shared, names_in(own), often=True))
    before = [part for part in all_needed if part in used_often or not part.is_function]
    late = [part for part in all_needed if part not in before]
    declared, maker = _made_late(before, late, own)
    filled = {name for part in before for name in part.defines} & AFTER.keys()
    after = ""
    for table in (name for name in AFTER if name in filled):
        function = AFTER[table]
        extra = [part for part in _needed(shared, [function]) if part not in before]
        if any(part.defines & AFTER.keys() for part in extra):
            raise ValueError(f"{function} fills a table that nothing looks at after it")
        after += f"if next({table}) then\n{''.join(part.text for part in extra)}{function}()\nend\n"
    values = "".join(part.text for part in before if not part.is_function)
    functions = "".join(part.text for part in before if part.is_function)
    # Lua looks for a variable that a function takes along among all that were taken before it in the same function, and finds
    # those of an outer function at once: so values lie outside.
    return (
        f"{values}local function script()\n{declared}{functions}{maker}local function main()\n{own}\nend\n"
        f"local good, answer = pcall(main)\n{after}if not good then error(answer, 0) end\n"
        "return answer\nend\nreturn script()\n"
    )
