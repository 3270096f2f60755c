"""Maps the columns of a file to the fields of a call: by their names, or as the caller says."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from alodial_schemas.calls import MAX_RECIPIENTS

from ..errors import BadFile
from .column_names import FIELDS, METADATA, POSSIBLE_PHONE

MAX_METADATA_NAME: Final = 64
MAX_NAME: Final = 200

_NUMBERED_PHONE: Final = re.compile(r"phone([1-9]|1[0-9]|20)")
_NUMBER_AFTER: Final = re.compile(r"([^0-9]+)([0-9]{1,2})")
_NUMBER_BEFORE: Final = re.compile(r"([0-9]{1,2})(?: ?(?:й|chi|чи|nd|rd|th))? ([^0-9]+)")
_REPEATED: Final = re.compile(r" \[[A-Z]{1,3}\]$")
_SPACES: Final = frozenset("_.:*()/\\#-\t\n\r")
_APOSTROPHES: Final = str.maketrans("ʻʼ‘’`´", "''''''")


@dataclass(frozen=True, slots=True)
class Columns:
    """The position of each field's column, from 0; ``phones`` in the order in which they are rung."""

    names: tuple[str, ...]
    phones: tuple[int, ...]
    lang: int | None = None
    initiator: int | None = None
    queue: int | None = None
    reference: int | None = None
    expires_at: int | None = None
    metadata: Mapping[str, int] = field(default_factory=dict)

    def by_field(self) -> dict[str, str]:
        """The name of each field's column, such as ``{"phone": "Телефон", "metadata:city": "City"}``."""
        positions = {("phone" if i == 0 else f"phone{i + 1}"): at for i, at in enumerate(self.phones)}
        positions |= {name: getattr(self, name) for name in FIELDS if name != "phone"}
        positions |= {f"metadata:{name}": at for name, at in self.metadata.items()}
        return {name: self.names[at] for name, at in positions.items() if at is not None}


def normalise_name(name: str) -> str:
    """A column's name for comparison: lower case, single spaces, no dots, marks or invisible characters."""
    # NFKC would turn "№" into "No".
    text = (
        unicodedata.normalize("NFKC", name[:MAX_NAME].replace("№", " "))
        .casefold()
        .replace("ё", "е")
        .translate(_APOSTROPHES)
    )
    return " ".join("".join(" " if c in _SPACES else c for c in text if c.isprintable() or c in _SPACES).split())


def map_columns(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """The columns of a file with these names.

    ``mapping`` is field -> column name and wins over what a name means; its fields are phone, phone2 ..., lang, initiator,
    queue, reference, expires_at and metadata:NAME. Raises BadFile without a phone column, with two columns for one field,
    for a mapped column that is missing or an unknown field.
    """
    fields, metadata = _mapped(names, mapping or {})
    mapped = {*fields.values(), *metadata.values()}
    unmapped = [(at, name) for at, name in enumerate(names) if at not in mapped]
    for at, name in unmapped:
        metadata_name = _metadata_name(name)
        if metadata_name:
            metadata.setdefault(metadata_name, at)
    fields |= _recognised(unmapped, frozenset(fields))
    phones = [fields.pop(name) for name in sorted((f for f in fields if f.startswith("phone")), key=_phone_order)]
    if not phones:
        listed = ", ".join(repr(name[:40]) for name in names[:12])
        remedy = 'name the column "Phone" in the first row, or map it: --map phone=NAME'
        raise BadFile("no_phone_column", f"no column is a phone: the file has {listed}", remedy)
    return Columns(tuple(names), tuple(dict.fromkeys(phones)), **fields, metadata=metadata)


def _mapped(names: Sequence[str], mapping: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """The positions of the mapped fields and of the mapped metadata."""
    # Of columns with the same name the first counts.
    positions = {normalise_name(name): at for at, name in reversed(list(enumerate(names)))}
    exact = {name: at for at, name in reversed(list(enumerate(names)))}
    fields: dict[str, int] = {}
    metadata: dict[str, int] = {}
    for target, column in mapping.items():
        name = target.strip().lower()
        at = exact.get(column, positions.get(normalise_name(column)))
        if at is None:
            near = get_close_matches(normalise_name(column), positions, n=1)
            listed = ", ".join(repr(name[:40]) for name in names[:20])
            remedy = f"did you mean {names[positions[near[0]]]!r}?" if near else f"the file has {listed}"
            raise BadFile("column_missing", f"there is no column {column[:100]!r}", remedy)
        metadata_name = _metadata_name(target)
        if metadata_name:
            metadata[metadata_name] = at
        elif name in FIELDS or _NUMBERED_PHONE.fullmatch(name):
            name = "phone" if name == "phone1" else name
            if name in fields:
                raise BadFile("columns_ambiguous", f"{name} is mapped twice", "map it to one column")
            fields[name] = at
        else:
            known = ", ".join([*FIELDS, "phone2", "metadata:NAME"])
            raise BadFile("field_unknown", f"there is no field {target[:100]!r}", f"map one of: {known}")
    return fields, metadata


def _recognised(columns: Sequence[tuple[int, str]], mapped: frozenset[str]) -> dict[str, int]:
    """The positions of the fields that nobody mapped, by the columns' names."""
    best: dict[str, tuple[int, int, str]] = {}
    for at, name in columns:
        meaning = _meaning(name)
        if meaning is None or meaning[0] in mapped:
            continue
        target, rank = meaning
        before = best.get(target)
        if before is None or rank < before[0]:
            best[target] = (rank, at, name)
        elif rank == before[0] and target != "reference":
            problem = f"{before[2][:60]!r} and {name[:60]!r} may both be {target}"
            remedy = f"choose one: --map {target}=NAME"
            if target == "phone":
                remedy += "; map a second phone, rung after it, as phone2"
            raise BadFile("columns_ambiguous", problem, remedy)
    return {target: at for target, (_, at, _) in best.items()}


def _ranks() -> dict[str, tuple[str, int]]:
    ranks: dict[str, tuple[str, int]] = {}
    for name, words in FIELDS.items():
        for rank, word in enumerate(words):
            # Only references are ranked among themselves: between two phones the caller must choose.
            ranks.setdefault(normalise_name(word), (name, rank if name == "reference" else 0))
        ranks[normalise_name(name)] = (name, 0)
    return ranks | {normalise_name(word): ("phone", 1) for word in POSSIBLE_PHONE}


_RANKS: Final = _ranks()


def _meaning(name: str) -> tuple[str, int] | None:
    """The field that a column's name means, and how certain that is: 0 is best."""
    if len(name) > MAX_NAME:
        return None
    text = normalise_name(_REPEATED.sub("", name))
    if text in _RANKS:
        return _RANKS[text]
    after, before = _NUMBER_AFTER.fullmatch(text), _NUMBER_BEFORE.fullmatch(text)
    word, digits = after.groups() if after else before.groups()[::-1] if before else ("", "")
    known = _RANKS.get(word.strip())
    number = int(digits or 0)
    if known is None or known[0] != "phone" or not 1 <= number <= MAX_RECIPIENTS:
        return None
    return ("phone" if number == 1 else f"phone{number}"), known[1]


def _metadata_name(name: str) -> str:
    """NAME of "metadata:NAME", or "" for another column."""
    text = name.strip()
    prefix = next((prefix for prefix in METADATA if text.lower().startswith(prefix)), None)
    return "" if prefix is None else text[len(prefix) :].strip()[:MAX_METADATA_NAME]


def _phone_order(name: str) -> int:
    return int(name.removeprefix("phone") or 1)
