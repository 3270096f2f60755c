"""Decides what each column of a file is used for: by its name, as the caller says, or by a question to the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from alodial_schemas.campaigns import CampaignCall

from ...i18n import ENGLISH, Message, Translator
from ..errors import BadFile
from .cell_shapes import is_plausible, letters, phone_shapes
from .header_words import FURTHER, Meaning, is_of_others, meaning, normalise_name, without_refusal
from .questions import NOT_USED, Choice, Question
from .row_values import is_language

MAX_METADATA_NAME: Final = 64
MAX_CHOICES: Final = 12
MAX_SAMPLES: Final = 3
METADATA: Final = ("metadata:", "meta:")
"""A column with this prefix goes into the call's metadata, under the rest of its name."""

FIELDS: Final = ("phone", "name", "lang", "initiator", "queue", "reference", "expires_at")
_MAYBE: Final = ("initiator", "queue", "expires_at", "lang")
"""Fields that an unused column may be meant for, by its name."""

Rows = Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The position of each field's column, from 0; ``phones`` in the order in which they are rung."""

    names: tuple[str, ...]
    phones: tuple[int, ...]
    name: int | None = None
    lang: int | None = None
    initiator: int | None = None
    queue: int | None = None
    reference: int | None = None
    expires_at: int | None = None
    metadata: Mapping[str, int] = field(default_factory=dict)

    def by_field(self) -> dict[str, str]:
        """The name of each field's column, such as ``{"phone": "Телефон", "metadata:city": "City"}``."""
        return {name: self.names[at] for name, at in self.positions().items()}

    def positions(self) -> dict[str, int]:
        """The position of each field's column."""
        found = {("phone" if i == 0 else f"phone{i + 1}"): at for i, at in enumerate(self.phones)}
        found |= {name: at for name in FIELDS if name != "phone" and (at := getattr(self, name)) is not None}
        return found | {f"metadata:{name}": at for name, at in self.metadata.items()}


class ColumnUse(NamedTuple):
    """One column of a file: its letter and name, the field that it is used for or "", some of its cells, and for an unused
    column what it might be, with the option that says so."""

    letter: str
    name: str
    field: str
    samples: tuple[str, ...]
    hint: Message | None = None

    def hint_text(self, t: Translator = ENGLISH) -> str:
        return "" if self.hint is None else t.say(self.hint)

    def to_dict(self, t: Translator = ENGLISH) -> dict[str, object]:
        return self._asdict() | {"samples": list(self.samples), "hint": self.hint_text(t)}


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """What was understood. ``columns.phones`` is empty while a question about the phone is open."""

    columns: Columns
    table: tuple[ColumnUse, ...]
    questions: tuple[Question, ...] = ()

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the columns that no field uses."""
        return tuple(use.name for use in self.table if not use.field)


def read_columns(
    names: Sequence[str],
    samples: Rows = (),
    mapping: Mapping[str, str] | None = None,
    call: CampaignCall | None = None,
    *,
    purpose: Literal["call", "do_not_call"] = "call",
) -> ColumnReading:
    """What the columns of a file are used for.

    ``mapping`` is field -> column's name or letter and wins over what a name means, "-" for no column; its fields are phone,
    phone2 ..., name, lang, initiator, queue, reference, expires_at and metadata:NAME. ``samples`` are some of the rows: they
    never make a column a phone, but show which ones a question is about. For the ``purpose`` do_not_call every column that
    certainly holds phones is used. Raises BadFile for a mapped column that is missing, an unknown field, or a field that is
    mapped twice.
    """
    reader = _ColumnReader(tuple(names), samples, call, purpose)
    return reader.read(mapping or {})


class _ColumnReader:
    def __init__(self, names: tuple[str, ...], samples: Rows, call: CampaignCall | None, purpose: str) -> None:
        self._names = names
        self._rows = samples
        self._call = call
        self._purpose = purpose
        plain = names if purpose == "call" else [without_refusal(name) for name in names]
        self._meanings: list[Meaning] = [meaning(name) for name in plain]
        self._cells = [
            [cell for row in samples if at < len(row) and (cell := row[at].strip())] for at in range(len(names))
        ]
        self._questions: list[Question] = []

    def read(self, mapping: Mapping[str, str]) -> ColumnReading:
        fields, metadata, refused = self._mapped(mapping)
        mapped = {*fields.values(), *metadata.values()}
        for at, name in enumerate(self._names):
            metadata_name = _metadata_name(name) if at not in mapped else ""
            if metadata_name and f"metadata:{metadata_name}" not in refused:
                metadata.setdefault(metadata_name, at)
        free = [at for at in range(len(self._names)) if at not in mapped and at not in metadata.values()]
        phone_fields = sorted((name for name in fields if name.startswith("phone")), key=_phone_order)
        phones = [fields.pop(name) for name in phone_fields]
        if not phones:
            phones = self._not_chosen(free) if "phone" in refused else self._phones(free)
        for target in ("name", "lang", "queue", "reference", "expires_at", "initiator"):
            if target not in fields and target not in refused:
                found = self._other(target, [at for at in free if at not in phones])
                if found is not None:
                    fields[target] = found
        if "initiator" not in fields and "initiator" not in refused:
            self._ask_initiator(free, phones)
        if "expires_at" not in fields and "expires_at" not in refused:
            self._ask_expires(free)
        columns = Columns(self._names, tuple(dict.fromkeys(phones)), **fields, metadata=metadata)
        return ColumnReading(columns, self._table(columns), tuple(self._questions))

    def _mapped(self, mapping: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int], set[str]]:
        """The positions of the mapped fields and of the mapped metadata, and the fields that have no column."""
        fields: dict[str, int] = {}
        metadata: dict[str, int] = {}
        refused: set[str] = set()
        for target, column in mapping.items():
            name = target.strip().lower()
            metadata_name = _metadata_name(target)
            if metadata_name and column.strip() == NOT_USED:
                refused.add(f"metadata:{metadata_name}")
            elif metadata_name:
                metadata[metadata_name] = self.find(column)
            elif name in FIELDS or _is_numbered_phone(name):
                name = "phone" if name == "phone1" else name
                if name in fields or name in refused:
                    raise BadFile("mapped_twice", f"{name} is mapped twice", "map it to one column")
                if column.strip() == NOT_USED:
                    refused.add(name)
                else:
                    fields[name] = self.find(column)
            else:
                known = ", ".join([*FIELDS, "phone2", "metadata:NAME"])
                raise BadFile("field_unknown", f"there is no field {target[:100]!r}", f"map one of: {known}")
        return fields, metadata, refused

    def find(self, column: str) -> int:
        """The position of a column by its name, or by its letter. Raises BadFile."""
        # Of columns with the same name the first counts.
        exact = {name: at for at, name in reversed(list(enumerate(self._names)))}
        positions = {normalise_name(name): at for at, name in reversed(list(enumerate(self._names)))}
        lettered = {letters(at): at for at in range(len(self._names))}
        for found in (exact.get(column), positions.get(normalise_name(column)), lettered.get(column.strip().upper())):
            if found is not None:
                return found
        near = get_close_matches(normalise_name(column), positions, n=1)
        listed = ", ".join(repr(name[:40]) for name in self._names[:20])
        remedy = f"did you mean {self._names[positions[near[0]]]!r}?" if near else f"the file has {listed}"
        raise BadFile("column_missing", f"there is no column {column[:100]!r}", remedy)

    def _phones(self, free: Sequence[int]) -> list[int]:
        """The columns whose names say that they are the rows' phones; none, and a question, where that is not certain."""
        certain = [at for at in free if self._certainty(at, "phone") == 2 and not self._is_empty(at)]
        if not certain:
            certain = [at for at in free if self._certainty(at, "phone") == 2]
        weak = [at for at in free if self._certainty(at, "phone") == 1 and not self._meanings[at].other]
        if self._purpose == "do_not_call" and certain:
            # Who asks not to be called means each of his phones.
            further = [at for at in free if at not in certain and self._is_further(at) and self._holds_phones(at)]
            return sorted([*certain, *further])
        if certain:
            return self._certain(certain, weak, free)
        others = [at for at in free if self._certainty(at, "phone") == 1 and self._meanings[at].other]
        return self._uncertain(weak, others, free)

    def _certain(self, certain: list[int], weak: list[int], free: Sequence[int]) -> list[int]:
        by_number: dict[int, list[int]] = {}
        for at in certain:
            by_number.setdefault(self._meanings[at].number, []).append(at)
        if any(len(places) > 1 for places in by_number.values()):
            self._ask("columns_ambiguous", "question.several_phones", certain)
            return []
        doubtful = [at for at in weak if self._meanings[at].number == 1 and self._holds_phones(at)]
        phones = [by_number[number][0] for number in sorted(by_number)]
        if doubtful:
            self._ask("weak_phone_column", "question.which_phone", [*phones[:1], *doubtful])
            return []
        if self._cells[phones[0]] and not any(map(phone_shapes, self._cells[phones[0]])):
            elsewhere = [at for at in free if at not in phones and self._is_plausible(at)]
            if elsewhere:
                values = {"columns": self._listed(phones[:1]), "others": self._listed(elsewhere)}
                self._ask("weak_phone_column", "question.phones_elsewhere", [*elsewhere, *phones[:1]], values=values)
                return []
        return phones

    def _uncertain(self, weak: list[int], others: list[int], free: Sequence[int]) -> list[int]:
        """No name says for certain that a column is the phone."""
        holding = [at for at in free if self._holds_phones(at)]
        if weak or others:
            candidates = [at for at in (*weak, *others) if not self._cells[at] or at in holding] or [*weak, *others]
            rivals = [at for at in holding if at not in candidates and not self._meanings[at].known]
            only = candidates[0]
            if len(candidates) == 1 and only in weak and not rivals and (not self._rows or self._is_plausible(only)):
                return candidates
            choices = [*candidates, *rivals]
            key = "question.maybe_phone" if len(choices) == 1 else "question.which_phone"
            self._ask("weak_phone_column", key, choices)
            return []
        if self._names == ("column A",) and self._is_plausible(0):
            # One column without a heading, and every cell is a phone with a known code: nothing is chosen.
            return [0]
        unnamed = all(name == f"column {letters(at)}" for at, name in enumerate(self._names))
        if self._purpose == "do_not_call" and unnamed and holding and all(self._is_plausible(at) for at in holding):
            return holding
        if not free:
            return []
        choices = [*holding, *(at for at in free if at not in holding)]
        choices.sort(key=lambda at: (at not in holding, self._meanings[at].known, not self._is_plausible(at)))
        self._ask("no_phone_column", "question.no_headings" if unnamed else "question.no_heading", choices)
        return []

    def _not_chosen(self, free: Sequence[int]) -> list[int]:
        """Somebody says that no column is the phone: it is asked which is, and none is taken by its name."""
        choices = sorted(free, key=lambda at: (self._certainty(at, "phone") < 2, not self._holds_phones(at)))
        self._ask("no_phone_column", "question.which_column", choices)
        return []

    def _other(self, target: str, free: Sequence[int]) -> int | None:
        """The column of another field than the phone, where its name leaves no doubt."""
        found = [at for at in free if self._meanings[at].field == target and self._meanings[at].certainty == 2]
        if not found:
            return None
        if target in ("reference", "name"):
            return min(found, key=lambda at: self._meanings[at].rank)
        exact = [at for at in found if normalise_name(self._names[at]).replace(" ", "_") == target]
        if target == "lang":
            found = [at for at in found if at in exact or self._holds_languages(at)]
            if self._call is not None and self._call.kind == "ivr":
                found = [at for at in found if at in exact]
        if len(exact or found) > 1:
            values: dict[str, str | Message | Sequence[Message]] = {"use": Message(f"use.{target}")}
            values["columns"] = self._listed(found)
            self._ask("columns_ambiguous", "question.several_columns", found, target, values=values)
            return None
        return next(iter(exact or found), None)

    def name_among(self, free: Sequence[int]) -> int | None:
        return self._other("name", free)

    def _ask_initiator(self, free: Sequence[int], phones: list[int]) -> None:
        if self._call is None or self._call.kind != "two-way" or self._call.callfrom is not None:
            return
        maybe = [at for at in free if at not in phones and self._is_maybe("initiator", at)]
        if maybe:
            self._ask("initiator_column", "question.initiator", maybe, "initiator")

    def _ask_expires(self, free: Sequence[int]) -> None:
        likely = [at for at in free if self._certainty(at, "expires_at") == 1 and self._meanings[at].rank == 0]
        if likely and self._purpose == "call" and any(self._cells[at] for at in likely):
            self._ask("expires_column", "question.expires", likely, "expires_at", none="choice.every_row")

    def _ask(
        self,
        code: str,
        key: str,
        places: Sequence[int],
        target: str = "phone",
        *,
        none: str = "",
        values: Mapping[str, str | Message | Sequence[Message]] | None = None,
    ) -> None:
        """Asks with the text of ``key``, which names the columns; ``none`` is the text of the answer that none is meant."""
        repeated = {name for name in self._names if self._names.count(name) > 1}
        choices = []
        for at in places[:MAX_CHOICES]:
            name = self._names[at]
            value = letters(at) if name in repeated or name.startswith("column ") or len(name) > 60 else name
            cells = self._examples(at) or Message("choice.empty")
            choices.append(
                Choice(target, value, Message("choice.column", {"column": self._described(at), "cells": cells}))
            )
        if none:
            choices.append(Choice(target, NOT_USED, Message(none)))
        message = Message(key, values or {"columns": self._listed(places)})
        self._questions.append(Question(code, message, tuple(choices)))

    def _table(self, columns: Columns) -> tuple[ColumnUse, ...]:
        used: dict[int, str] = {}
        for name, at in columns.positions().items():
            used.setdefault(at, name)
        return tuple(
            ColumnUse(letters(at), name, used.get(at, ""), tuple(self._cells[at][:MAX_SAMPLES]), self._hint(at, used))
            for at, name in enumerate(self._names)
        )

    def _hint(self, at: int, used: Mapping[int, str]) -> Message | None:
        if at in used or self._purpose != "call":
            return None
        found = self._meanings[at]
        for target in _MAYBE:
            if self._is_maybe(target, at):
                return Message(f"maybe.{target}", {"option": Choice(target, letters(at)).option})
        if found.field == "phone" and (found.certainty == 2 or found.speaks) and not self._is_empty(at):
            return Message("maybe.phone", {"option": Choice("phone2", letters(at)).option})
        return None

    def _is_further(self, at: int) -> bool:
        """Whether a name speaks of another phone of the same person."""
        words = set(normalise_name(self._names[at]).split())
        return self._meanings[at].speaks and bool(words & FURTHER) and not is_of_others(self._names[at])

    def _is_maybe(self, target: str, at: int) -> bool:
        found = self._meanings[at]
        if target == "initiator" and found.field == "phone" and found.other:
            words = set(normalise_name(self._names[at]).split())
            return any(word.startswith(_STAFF) for word in words)
        return found.field == target and found.certainty > 0

    def _certainty(self, at: int, target: str) -> int:
        return self._meanings[at].certainty if self._meanings[at].field == target else 0

    def _is_empty(self, at: int) -> bool:
        return bool(self._rows) and not self._cells[at]

    def _holds_phones(self, at: int) -> bool:
        cells = self._cells[at]
        return bool(cells) and sum(map(bool, map(phone_shapes, cells))) * 2 >= len(cells)

    def _is_plausible(self, at: int) -> bool:
        return bool(self._cells[at]) and all(map(is_plausible, self._cells[at]))

    def _holds_languages(self, at: int) -> bool:
        cells = self._cells[at]
        return sum(map(is_language, cells)) * 2 >= len(cells)

    def _listed(self, places: Sequence[int]) -> tuple[Message, ...]:
        return tuple(self._described(at) for at in places[:MAX_CHOICES])

    def _described(self, at: int) -> Message:
        name, letter = self._names[at], letters(at)
        if name == f"column {letter}":
            return Message("column.letter", {"letter": letter})
        return Message("column.named", {"name": name[:60], "letter": letter})

    def _examples(self, at: int) -> str:
        return ", ".join(cell[:30] for cell in self._cells[at][:MAX_SAMPLES])


def name_place(names: Sequence[str], mapping: Mapping[str, str]) -> int | None:
    """The position of the column with people's names, of a file whose columns were read under ``mapping``."""
    reader = _ColumnReader(tuple(names), (), None, "call")
    if mapped := mapping.get("name"):
        return None if mapped.strip() == NOT_USED else reader.find(mapped)
    used = {reader.find(column) for column in mapping.values() if column.strip() != NOT_USED}
    return reader.name_among([at for at in range(len(names)) if at not in used])


_STAFF: Final = ("менеджер", "оператор", "агент", "manager", "operator", "agent", "menejer", "менежер")


def _metadata_name(name: str) -> str:
    """NAME of "metadata:NAME", or "" for another column."""
    text = name.strip()
    prefix = next((prefix for prefix in METADATA if text.lower().startswith(prefix)), None)
    return "" if prefix is None else text[len(prefix) :].strip()[:MAX_METADATA_NAME]


def _is_numbered_phone(name: str) -> bool:
    number = name.removeprefix("phone")
    return (
        name.startswith("phone")
        and number.isdecimal()
        and number.isascii()
        and not number.startswith("0")
        and int(number[:3]) <= 20
    )


def _phone_order(name: str) -> int:
    return int(name.removeprefix("phone") or 1)
