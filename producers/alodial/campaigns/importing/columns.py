"""Which column of a file means what: recognised by its name, or as the caller says."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from ..errors import BadFile
from .column_names import FIELDS, METADATA, PERHAPS_PHONE

MAX_RECIPIENTS: Final = 20
MAX_METADATA_NAME: Final = 64
MAX_NAME: Final = 200

_FURTHER: Final = re.compile(r"phone([1-9]|1[0-9]|20)")
_NUMBERED: Final = re.compile(r"([^0-9]+)([0-9]{1,2})")
_NUMBERED_BEFORE: Final = re.compile(r"([0-9]{1,2})(?: ?(?:й|chi|чи|nd|rd|th))? ([^0-9]+)")
_REPEATED: Final = re.compile(r" \[[A-Z]{1,3}\]$")
_SPACES: Final = frozenset("_.:*()/\\#-\t\n\r")
_APOSTROPHES: Final = str.maketrans("ʻʼ‘’`´", "''''''")


@dataclass(frozen=True, slots=True)
class Columns:
    """For each of our fields the place of its column, from 0. ``phones`` in the order in which they are rung."""

    names: tuple[str, ...]
    phones: tuple[int, ...]
    lang: int | None = None
    initiator: int | None = None
    queue: int | None = None
    reference: int | None = None
    expires_at: int | None = None
    metadata: Mapping[str, int] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """What was understood: our field -> the file's column."""
        found = {("phone" if i == 0 else f"phone{i + 1}"): self.names[at] for i, at in enumerate(self.phones)}
        for name in ("lang", "initiator", "queue", "reference", "expires_at"):
            at = getattr(self, name)
            if at is not None:
                found[name] = self.names[at]
        return found | {f"metadata:{name}": self.names[at] for name, at in self.metadata.items()}


def plain(name: str) -> str:
    """A column's name as it is compared: lower case, single spaces, without dots, marks and invisible characters."""
    # NFKC would make "No" of "№".
    text = (
        unicodedata.normalize("NFKC", name[:MAX_NAME].replace("№", " "))
        .casefold()
        .replace("ё", "е")
        .translate(_APOSTROPHES)
    )
    return " ".join("".join(" " if c in _SPACES else c for c in text if c.isprintable() or c in _SPACES).split())


def understand(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """Raises BadFile without a phone column, with two for one field, or where a mapped column is missing.

    ``mapping`` is field -> column name; fields are phone, phone2 ..., lang, initiator, queue, reference, expires_at and
    metadata:NAME. What it names wins over what a name seems to mean.
    """
    found, metadata = _mapped(names, mapping or {})
    taken = {*found.values(), *metadata.values()}
    free = [(at, name) for at, name in enumerate(names) if at not in taken]
    for at, name in free:
        marked = _metadata_name(name)
        if marked:
            metadata.setdefault(marked, at)
    found |= _guessed(free, frozenset(found))
    phones = [found.pop(which) for which in sorted((w for w in found if w.startswith("phone")), key=_order)]
    if not phones:
        shown = ", ".join(repr(name[:40]) for name in names[:12])
        remedy = 'name the column "Phone" in the first row, or say which one it is: --map phone=NAME'
        raise BadFile("no_phone_column", f"no column is a phone: the file has {shown}", remedy)
    return Columns(tuple(names), tuple(dict.fromkeys(phones)), **found, metadata=metadata)


def _mapped(names: Sequence[str], mapping: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    places = {plain(name): at for at, name in reversed(list(enumerate(names)))}
    exact = {name: at for at, name in reversed(list(enumerate(names)))}
    found: dict[str, int] = {}
    metadata: dict[str, int] = {}
    for given, column in mapping.items():
        which = given.strip().lower()
        at = exact.get(column, places.get(plain(column)))
        if at is None:
            near = get_close_matches(plain(column), places, n=1)
            known = ", ".join(repr(name[:40]) for name in names[:20])
            remedy = f"did you mean {names[places[near[0]]]!r}?" if near else f"the file has {known}"
            raise BadFile("column_missing", f"there is no column {column[:100]!r}", remedy)
        marked = _metadata_name(given)
        if marked:
            metadata[marked] = at
        elif which in FIELDS or _FURTHER.fullmatch(which):
            which = "phone" if which == "phone1" else which
            if which in found:
                raise BadFile("columns_ambiguous", f"{which} is mapped twice", "map it to one column")
            found[which] = at
        else:
            fields = ", ".join([*FIELDS, "phone2", "metadata:NAME"])
            raise BadFile("field_unknown", f"{given[:100]!r} is no field", f"map one of: {fields}")
    return found, metadata


def _guessed(columns: Sequence[tuple[int, str]], mapped: frozenset[str]) -> dict[str, int]:
    """Field -> column by the names alone, for the fields that nobody mapped."""
    best: dict[str, tuple[int, int, str]] = {}
    for at, name in columns:
        meant = _meaning(name)
        if meant is None or meant[0] in mapped:
            continue
        which, rank = meant
        before = best.get(which)
        if before is None or rank < before[0]:
            best[which] = (rank, at, name)
        elif rank == before[0] and which != "reference":
            both = f"{before[2][:60]!r} and {name[:60]!r} may both be {which}"
            remedy = f"say which one it is: --map {which}=NAME"
            if which == "phone":
                remedy += "; a second one to be rung after it is phone2"
            raise BadFile("columns_ambiguous", both, remedy)
    return {which: at for which, (_, at, _) in best.items()}


def _ranks() -> dict[str, tuple[str, int]]:
    known: dict[str, tuple[str, int]] = {}
    for name, words in FIELDS.items():
        for rank, word in enumerate(words):
            # Only references are ranked among themselves: two phones are a question to the caller.
            known.setdefault(plain(word), (name, rank if name == "reference" else 0))
        known[plain(name)] = (name, 0)
    return known | {plain(word): ("phone", 1) for word in PERHAPS_PHONE}


_KNOWN: Final = _ranks()


def _meaning(name: str) -> tuple[str, int] | None:
    """The field that a column's name means, and how surely: 0 is best."""
    if len(name) > MAX_NAME:
        return None
    text = plain(_REPEATED.sub("", name))
    if text in _KNOWN:
        return _KNOWN[text]
    after, before = _NUMBERED.fullmatch(text), _NUMBERED_BEFORE.fullmatch(text)
    word, digits = after.groups() if after else before.groups()[::-1] if before else ("", "")
    known = _KNOWN.get(word.strip())
    which = int(digits or 0)
    if known is None or known[0] != "phone" or not 1 <= which <= MAX_RECIPIENTS:
        return None
    return ("phone" if which == 1 else f"phone{which}"), known[1]


def _metadata_name(name: str) -> str:
    """What stands behind "metadata:", or "" for another column."""
    text = name.strip()
    mark = next((mark for mark in METADATA if text.lower().startswith(mark)), None)
    return "" if mark is None else text[len(mark) :].strip()[:MAX_METADATA_NAME]


def _order(which: str) -> int:
    return int(which[5:] or 1)
