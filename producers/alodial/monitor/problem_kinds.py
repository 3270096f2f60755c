"""Rows that were not taken, grouped by what is wrong with them: one remedy for each kind, and its rows behind it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..campaigns.importing.row_check import CheckReport
from ..campaigns.row_codec import RowProblem
from ..i18n import ErrorText, Translator

MAX_SHOWN: Final = 20


class ProblemKind(NamedTuple):
    """A kind of mistake: how many rows have it, in words what it is and what to do, and the first of the rows."""

    rows_count: int
    text: ErrorText
    rows: list[RowProblem]


def kinds_of_report(report: CheckReport, t: Translator) -> list[ProblemKind]:
    """The kinds of a check, the most frequent first."""
    return [_kind(count, report.examples[code], t) for code, count in report.by_code.most_common()]


def kinds_of_rows(problems: Iterable[RowProblem], t: Translator, limit: int = MAX_SHOWN) -> list[ProblemKind]:
    """The kinds of these rows, the most frequent first, each with ``limit`` rows at most."""
    by_code: dict[str, list[RowProblem]] = {}
    for problem in problems:
        by_code.setdefault(problem.code, []).append(problem)
    groups = sorted(by_code.values(), key=len, reverse=True)
    return [_kind(len(rows), rows[:limit], t) for rows in groups]


def _kind(count: int, rows: list[RowProblem], t: Translator) -> ProblemKind:
    first = rows[0]
    return ProblemKind(count, t.problem(first.code, first.problem, first.remedy), rows)
