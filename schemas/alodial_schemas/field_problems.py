"""Pydantic's errors as problems that people understand, each with a remedy. Phone numbers are never repeated."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import PydanticCustomError

from .errors import FieldProblem
from .phones import mask_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import ValidationError

_MAX_PROBLEMS: Final = 50  # a body with a thousand wrong fields is answered with the first fifty


_SUGGESTED_FIELDS: Final = 3
"""Unknown fields of one object for which a known one is looked for: a comparison takes 35 us, and a body may have thousands."""

_suggestions_left: ContextVar[list[int] | None] = ContextVar("suggestions_left", default=None)


@contextmanager
def limited_suggestions(count: int = 100) -> Iterator[None]:
    """Within the block at most ``count`` unknown names are compared with known ones; later ones just count as unknown."""
    token = _suggestions_left.set([count])
    try:
        yield
    finally:
        _suggestions_left.reset(token)


@lru_cache(maxsize=1024)
def _compared(name: str, known: tuple[str, ...]) -> str:
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), "")


def _near(name: str, known: tuple[str, ...]) -> str:
    left = _suggestions_left.get()
    if left is not None:
        if left[0] <= 0:
            return ""
        left[0] -= 1
    return _compared(name, known)


class ProblemTexts(NamedTuple):
    """The texts of `problems_of` for one family of models.

    `known`: the fields of each parent, "" for the body itself. `remedies`: what would be right, by field. `problems`: the
    code and what is wrong, by pydantic's kind of error. `other_kind`: what is wrong and the remedy for fields that another
    model of the family has.
    """

    known: Mapping[str, tuple[str, ...]]
    remedies: Mapping[str, str]
    problems: Mapping[str, tuple[str, str]]
    other_kind: Mapping[str, tuple[str, str]] = MappingProxyType({})


def problem_error(*problems: FieldProblem) -> PydanticCustomError:
    """The error for a validator to raise when it knows the remedy; a problem's `field` is relative to the validator's."""
    reason = "; ".join(map(str, problems))
    return PydanticCustomError("field_problems", "{reason}", {"reason": reason, "problems": problems})


def _unknown_field(
    path: list[str], parent: str, known_by_parent: Mapping[str, tuple[str, ...]], *, suggest: bool
) -> FieldProblem:
    parents = [part for part in path[:-1] if not part.isdigit()]
    parent, name = parents[-1] if parents else parent, path[-1].lower()
    known = known_by_parent.get(parent, ())
    near = _near(name, known) if suggest else ""
    elsewhere = [other for other, names in known_by_parent.items() if other and other != parent and name in names]
    if elsewhere:
        remedy = f"put it into {' or '.join(elsewhere)}"
    elif near:
        remedy = f"did you mean {near}?"
    else:
        remedy = f"remove it; known here are {', '.join(known)}"
    return FieldProblem(".".join(path), "unknown_field", "is not a known field", remedy)


def _safe_part(part: object) -> str:
    """A piece of a path: names come from outside, so they may be a number, a megabyte or a forged log line."""
    return mask_numbers("".join(ch if ch.isprintable() else "?" for ch in str(part)[:64]))


# Parts of pydantic's error locations that stand for no field: the union's tags, and the mark of a dict's key.
_TAGS: Final[frozenset[str | int]] = frozenset({"<phone>", "<queue>", "[key]"})


def problems_of(exc: ValidationError, texts: ProblemTexts, *, parent: str = "") -> list[FieldProblem]:
    """Returns pydantic's errors as field problems, at most 50.

    `texts` belongs to the validated model. `parent` is the field that would hold it, "" for a whole body.
    """
    problems: list[FieldProblem] = []
    unknown = 0
    errors = exc.errors(include_url=False, include_input=False)[:_MAX_PROBLEMS]
    # Pydantic counts only the entries that are good: a list whose only entry is bad is "too short" besides.
    inside = {error["loc"][:depth] for error in errors for depth in range(1, len(error["loc"]))}
    for error in errors:
        kind = error["type"]
        loc = error["loc"]
        if kind == "too_short" and loc in inside:
            continue
        # The tags are ours and no part of the body, unless a hostile body has a field of such a name.
        named = [part for part in loc[:-1] if part not in _TAGS]
        named += [part for part in loc[-1:] if kind == "extra_forbidden" or part not in _TAGS]
        path = [_safe_part(part) for part in named]
        field = ".".join(path)
        if kind == "extra_forbidden":
            unknown += 1
            other = None if parent or len(path) > 1 else texts.other_kind.get(path[-1])
            problems.append(
                FieldProblem(path[-1], "unknown_field", *other)
                if other
                else _unknown_field(path, parent, texts.known, suggest=unknown <= _SUGGESTED_FIELDS)
            )
        elif kind == "field_problems":
            for inner in error["ctx"]["problems"]:
                place = ".".join(part for part in (field, inner.field) if part)
                problems.append(FieldProblem(place, inner.code, inner.problem, inner.remedy))
        else:
            remedies = texts.remedies
            named_remedies = (remedies[part] for part in reversed(path) if part in remedies)
            remedy = next(named_remedies, remedies.get("", "see the documentation"))
            code, problem = texts.problems.get(kind, ("invalid", ""))
            if not problem:
                code, problem = ("not_a_time", "is not a time") if "date" in kind else ("invalid", "does not fit")
            problems.append(FieldProblem(field, code, problem, remedy))
    return problems
