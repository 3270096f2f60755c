"""Which column of a file means what: recognised by its name, or as the caller says."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from .errors import BadFile
from .words import FIELDS, METADATA

MOST_RECIPIENTS = 20

_NUMBERED = re.compile(r"(.*?)[\s_#№.-]*([2-9]|1[0-9]|20|1)")


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
    text = unicodedata.normalize("NFKC", name).casefold().replace("ё", "е")
    text = "".join(" " if c in "_.:*()/\\\t\n" else c for c in text if c.isprintable() or c in "\t\n")
    return " ".join(text.replace("ʻ", "'").replace("ʼ", "'").replace("‘", "'").replace("’", "'").split())


_KNOWN = {plain(word): name for name, words in FIELDS.items() for word in words}


def _meaning(name: str) -> tuple[str, int] | None:
    """The field that a column's name means, and which of its kind it is."""
    text = plain(name)
    if text in _KNOWN:
        return _KNOWN[text], 1
    numbered = _NUMBERED.fullmatch(text)
    if numbered is not None and _KNOWN.get(numbered[1].strip()) == "phone":
        return "phone", int(numbered[2])
    return None


def understand(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """Raises BadFile without a phone column, with two for one field, or where a mapped column is missing.

    ``mapping`` is field -> column name; fields are phone, phone2 ..., lang, initiator, queue, reference, expires_at and
    metadata:NAME. What it names wins over what a name seems to mean.
    """
    places = {plain(name): at for at, name in reversed(list(enumerate(names)))}
    found: dict[str, int] = {}
    metadata: dict[str, int] = {}
    for name, column in (mapping or {}).items():
        at = places.get(plain(column))
        if at is None:
            near = get_close_matches(plain(column), places, n=1)
            known = ", ".join(names[:20])
            remedy = f"did you mean {names[places[near[0]]]!r}?" if near else f"the file has: {known[:300]}"
            raise BadFile("column_missing", f"there is no column {column!r}", remedy)
        if name.startswith(METADATA):
            metadata[name.partition(":")[2].strip()] = at
        elif name in FIELDS or re.fullmatch(r"phone([2-9]|1[0-9]|20)", name):
            found[name] = at
        else:
            fields = ", ".join([*FIELDS, "phone2", "metadata:NAME"])
            raise BadFile("field_unknown", f"{name!r} is no field", f"map one of: {fields}")
    taken = {*found.values(), *metadata.values()}
    guessed: dict[str, int] = {}
    for at, name in enumerate(names):
        if at in taken:
            continue
        low = plain(name)
        marked = next((mark for mark in METADATA if name.strip().lower().startswith(mark)), None)
        if marked is not None:
            metadata.setdefault(name.strip()[len(marked) :].strip() or low, at)
            continue
        meant = _meaning(name)
        if meant is None:
            continue
        which = meant[0] if meant[1] == 1 else f"phone{meant[1]}"
        if which in found:
            continue
        if which in guessed:
            # "id" and "invoice number" may both be a reference: the first one is it, unless these are phones.
            if which == "phone":
                both = f"{names[guessed[which]]!r} and {name!r}"
                raise BadFile("columns_ambiguous", f"{both} may both be the phone", "say which one: --map phone=NAME")
            continue
        guessed[which] = at
    found = guessed | found
    phones = [found.pop("phone")] if "phone" in found else []
    phones += [found.pop(key) for key in sorted((k for k in found if k.startswith("phone")), key=lambda k: int(k[5:]))]
    if not phones:
        shown = ", ".join(repr(name) for name in names[:12])
        raise BadFile(
            "no_phone_column", f"no column is a phone: {shown[:300]}", "name one Phone, or say --map phone=NAME"
        )
    return Columns(tuple(names), tuple(phones), **found, metadata=metadata)
