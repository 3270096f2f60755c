"""Puts a Lua script together from its own text and those shared functions that it uses.

Redis runs a script's whole text each time, and making a function costs it 0.1 to 0.3 microseconds: all shared ones together cost
a third of a settled call. What is only needed after a script's own work (``AFTER``) is made only when there is such work. A
function whose first line ends with ``-- seldom``, and what only such functions need, is made when it is first called: the code
calls it as ``seldom('name')(...)``. A value that is a number or a text stands in the code itself.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

AFTER = {
    "made_ready": "write_ready",
    "leased": "write_leases",
    "awaiting": "write_awaiting",
    "touched": "look_after_touched",
    "waiting": "write_lists",
    "campaign_ends": "write_campaign_ends",
    "ticks": "write_ticks",
    "hour_ticks": "write_hour_ticks",
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
_SELDOM_HERE = re.compile(r"^-- Seldom here: (.+)$", re.M)
_CONSTANT = re.compile(r"local ([A-Z]\w*) = ('[^'\n]*'|[\w.* ]+?) *(?:--[^\n]*)?\n")
_FUNCTION = re.compile(r"local function \w+\(\)(.*)\bend\s*", re.S)


@dataclass(frozen=True, slots=True)
class Part:
    """One statement at the outermost level: the names that it defines, those that it mentions, and its text."""

    defines: frozenset[str]
    mentions: frozenset[str]
    text: str
    seldom: bool = False
    """Whether it is a function that ordinary calls do without."""

    @property
    def is_function(self) -> bool:
        """Whether it defines a function; anything else holds values that all functions share."""
        return "function" in self.mentions


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
    return [
        Part(_defined(text), names_in(text), text, _SELDOM.search(text.partition("\n")[0] + "\n") is not None)
        for text in texts
    ]


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


def with_names(code: str, by: Mapping[str, str]) -> str:
    """Lua code with other code in place of names; comments, texts and fields stay."""
    if not by:
        return code
    pattern = re.compile(rf"{_NO_CODE.pattern}|(?<![.\w])(?:{'|'.join(by)})\b")
    return pattern.sub(lambda match: by.get(match[0], match[0]), code)


def constants(shared: Sequence[Part]) -> dict[str, str]:
    """The values that are a number or a text, by name: they stand in the code itself, where they cost nothing at its start."""
    values: dict[str, str] = {}
    for part in shared:
        found = _CONSTANT.fullmatch(part.text)
        value = with_names(found[2], values) if found else ""
        if found and (value.startswith("'") or re.fullmatch(r"[\d.* ()]+", value)):
            values[found[1]] = f"({value})" if "*" in value else value
    return values


def _made_late(parts: Sequence[Part]) -> str:
    """The function ``seldom``, which makes all these when it is first called, and returns one of them by its name."""
    functions = sorted(name for part in parts if part.is_function for name in part.defines)
    table = ", ".join(f"{name} = {name}" for name in functions)
    text = "".join(part.text for part in parts)
    return (
        "local late_functions\nseldom = function(name)\n"
        f"if not late_functions then\n{text}late_functions = {{ {table} }}\nend\nreturn late_functions[name]\nend\n"
    )


def _scope(parts: Sequence[Part], often: Collection[Part]) -> tuple[str, Callable[[str], str]]:
    """Parts that stand before some code, and how that code calls those functions which are made late."""
    late = [part for part in parts if part not in often]
    calls = {name: f"seldom('{name}')" for part in late if part.is_function for name in part.defines}

    def adapted(code: str) -> str:
        return with_names(code, calls)

    made = "".join(adapted(part.text) for part in parts if part in often)
    return (f"local seldom\n{made}{_made_late(late)}" if calls else made), adapted


def _at_the_end(shared: Sequence[Part], table: str, before: Collection[Part]) -> str:
    """What is done after a script's own work where that has filled a table."""
    function = next(part for part in shared if AFTER[table] in part.defines)
    body = _FUNCTION.fullmatch(function.text)
    if body is None or "return" in function.mentions:
        raise ValueError(f"{AFTER[table]} takes arguments or returns")
    mentions = function.mentions - function.defines
    needed = [part for part in _needed(shared, mentions) if part not in before]
    if any(part.defines & AFTER.keys() for part in needed):
        raise ValueError(f"{AFTER[table]} fills a table that nothing looks at after it")
    often = set(_needed(shared, mentions, often=True))
    made, adapted = _scope(needed, often)
    return f"if next({table}) then\n{made}{adapted(body[1]).strip()}\nend\n"


def assemble(shared: Sequence[Part], own: str, early: str = "") -> str:
    """A script's text: the shared parts that it needs, its own as a function, and what comes after it.

    ``early`` is done before anything else is made but what it needs itself; where it returns, that is the script's answer.

    A line ``-- Seldom here: NAME ...`` of its own names functions that it does without as a rule, though others need them always.
    """
    here = frozenset(" ".join(_SELDOM_HERE.findall(own)).split())
    values = constants(shared)
    own, early = with_names(own, values), with_names(early, values)
    shared = [
        replace(part, text=text, mentions=names_in(text), seldom=part.seldom or bool(part.defines & here))
        for part in shared
        if not part.defines & values.keys()
        for text in [with_names(part.text, values)]
    ]
    at_first = _needed(shared, names_in(early))
    needed = [part for part in _needed(shared, names_in(own)) if part not in at_first]
    often = set(_needed(shared, names_in(own), often=True))
    tables = [table for table in AFTER if any(table in part.defines for part in needed)]
    of_ends = {part for table in tables for part in _needed(shared, [AFTER[table]])}
    # What a script's end looks at too is there from the beginning.
    outer = [part for part in needed if not part.is_function and (part in often or part in of_ends)]
    made, adapted = _scope([part for part in needed if part not in outer], often)
    before = {*at_first, *outer, *(part for part in often if part.is_function)}
    ends = "".join(_at_the_end(shared, table, before) for table in tables)
    first = "".join(part.text for part in at_first) + early + "".join(part.text for part in outer)
    # Lua looks for a variable that a function takes along among all that were taken before it in the same function, and finds
    # those of an outer function at once: so values lie outside.
    return (
        f"{first}local function script()\n{made}local function main()\n{adapted(own)}\nend\n"
        f"local good, answer = pcall(main)\n{ends}if not good then error(answer, 0) end\n"
        "return answer\nend\nreturn script()\n"
    )
