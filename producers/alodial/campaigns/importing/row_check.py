"""Goes through a file once and judges every row: good, bad, duplicate or suppressed. Check and submit share it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alodial_schemas.campaigns import CampaignRequest
from alodial_schemas.durations import duration_text

from ...settings import Settings
from ..row_codec import RowProblem, RowSpec
from .columns import understand
from .duplicates import DuplicateSet
from .files import RowFault, Source, SourceRow
from .row_parser import MASK_128, RowParser, content_hash, numbers_of, row_key, shown

BATCH = 1000
MAX_SHOWN = 100
MAX_HELD = 2000
"""Refused rows that are held back until good ones make a chunk: a file of bad rows alone needs no more memory."""

Good = tuple[int, RowSpec, tuple[str, ...]]


class Progress(NamedTuple):
    """How far the reading has come; ``position`` and ``size`` in bytes."""

    rows: int
    good: int
    bad: int
    position: int
    size: int | None


@dataclass(slots=True)
class CheckReport:
    """What a file holds. ``rows`` is always the sum of good, bad, duplicate and suppressed."""

    name: str
    kind: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    understood: dict[str, str]
    columns: tuple[str, ...]
    good: int = 0
    bad: int = 0
    duplicate: int = 0
    suppressed: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    by_code: Counter[str] = field(default_factory=Counter)
    first: RowSpec | None = None
    content: str = ""
    seconds: float | None = None
    expected_end: int | None = None

    @property
    def rows(self) -> int:
        return self.good + self.bad + self.duplicate + self.suppressed

    def totals(self) -> dict[str, int]:
        """As a campaign keeps them."""
        return {
            "file": self.rows,
            "good": self.good,
            "bad": self.bad,
            "duplicate": self.duplicate,
            "suppressed": self.suppressed,
        }

    def to_dict(self) -> dict[str, Any]:
        from ...store.records import iso  # noqa: PLC0415  # pure otherwise

        return {
            "file": self.name,
            "kind": self.kind,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "sheet": self.sheet,
            "columns": list(self.columns),
            "understood": self.understood,
            "rows": self.totals(),
            "problems": [problem.to_dict() for problem in self.problems],
            "by_code": dict(self.by_code.most_common()),
            "seconds": self.seconds,
            "duration": None if self.seconds is None else duration_text(self.seconds),
            "expected_end": None if self.expected_end is None else iso(self.expected_end),
        }


class RowChecker:
    """One pass over a file. Raises BadFile at once when its columns cannot be understood."""

    def __init__(
        self,
        source: Source,
        request: CampaignRequest,
        settings: Settings,
        *,
        suppressed: Callable[[list[str]], list[bool]],
        progress: Callable[[Progress], None] | None = None,
        on_problem: Callable[[RowProblem], None] | None = None,
    ) -> None:
        understood = understand(source.columns, request.columns)
        self.columns = source.columns
        self.report = CheckReport(
            source.name,
            source.kind,
            source.encoding,
            source.delimiter,
            source.sheet,
            understood.told(),
            source.columns,
        )
        self._source = source
        self._rows = RowParser(understood, request, settings)
        self._understood = understood
        self._suppressed = suppressed
        self._progress = progress
        self._on_problem = on_problem
        self._sum = 0

    def chunks(self, size: int) -> Iterator[tuple[list[Good], list[RowProblem]]]:
        """The good rows, ``size`` together, and the others met meanwhile.

        After :data:`MAX_HELD` others, and at the end, a chunk may be shorter or without good ones.
        """
        seen = DuplicateSet()
        good: list[Good] = []
        others: list[RowProblem] = []
        try:
            for rows, position in self._batches():
                judged, refused = self._judge(rows, seen)
                others += refused
                good += judged
                while len(good) >= size:
                    yield good[:size], others
                    good, others = good[size:], []
                if len(others) >= MAX_HELD:
                    yield good, others
                    good, others = [], []
                if self._progress is not None:
                    report = self.report
                    self._progress(Progress(report.rows, report.good, report.bad, position, self._source.size))
            if good or others:
                yield good, others
            self.report.content = f"{self._sum:032x}{self.report.good:x}"
        finally:
            seen.close()

    def _batches(self) -> Iterator[tuple[list[SourceRow | RowFault], int]]:
        batch: list[SourceRow | RowFault] = []
        position = 0
        for row in self._source.rows():
            batch.append(row)
            if len(batch) >= BATCH:
                position = next((r.position for r in reversed(batch) if isinstance(r, SourceRow)), position)
                yield batch, position
                batch = []
        if batch:
            yield batch, self._source.size or position

    def _judge(self, rows: list[SourceRow | RowFault], seen: DuplicateSet) -> tuple[list[Good], list[RowProblem]]:
        read = self._rows.read
        found: list[tuple[int, RowSpec | RowProblem, tuple[str, ...]]] = []
        for row in rows:
            if isinstance(row, RowFault):
                found.append((row.number, RowProblem(*row[:5], self._faulty(row), row.cells), row.cells))
            else:
                found.append((row.number, read(row), row.cells))
        specs = [spec for _, spec, _ in found if isinstance(spec, RowSpec)]
        repeated = iter(seen.add_many([row_key(spec) for spec in specs]))
        numbers = [numbers_of(spec) for spec in specs]
        flat = [number for some in numbers for number in some]
        listed = dict(zip(flat, self._suppressed(flat), strict=True)) if flat else {}
        held = iter([next((number for number in some if listed[number]), "") for some in numbers])
        good: list[Good] = []
        refused: list[RowProblem] = []
        report = self.report
        for number, spec, cells in found:
            if isinstance(spec, RowProblem):
                report.bad += 1
                self._refuse(spec, refused)
            elif next(repeated):
                next(held)
                report.duplicate += 1
                self._refuse(self._told(number, "duplicate", spec.to[0], cells), refused)
            elif on_list := next(held):
                report.suppressed += 1
                self._refuse(self._told(number, "do_not_call", on_list, cells), refused)
            else:
                report.good += 1
                if report.first is None:
                    report.first = spec
                self._sum = (self._sum + content_hash(spec)) & MASK_128
                good.append((number, spec, cells))
        return good, refused

    def _told(self, number: int, code: str, phone: str, cells: tuple[str, ...]) -> RowProblem:
        problem, remedy = _REFUSALS[code]
        return RowProblem(number, self._column_of(phone, cells), code, problem, remedy, phone, cells)

    def _column_of(self, phone: str, cells: tuple[str, ...]) -> str:
        """Where this number stands: a row has several phones, and perhaps an initiator of its own."""
        columns = self._understood
        places = columns.phones if columns.initiator is None else (*columns.phones, columns.initiator)
        # Nine digits are the shortest that a number is written with; whatever stands between them is the writer's.
        ends = (at for at in places if phone[-9:] in "".join(c for c in cells[at] if c.isdecimal()))
        return columns.names[next(ends, columns.phones[0])]

    def _faulty(self, row: RowFault) -> str:
        """The cell that the fault names; "" when it is the row as a whole."""
        at = self.columns.index(row.column) if row.column in self.columns else len(row.cells)
        return shown(row.cells[at]) if at < len(row.cells) else ""

    def _refuse(self, problem: RowProblem, refused: list[RowProblem]) -> None:
        self.report.by_code[problem.code] += 1
        if len(self.report.problems) < MAX_SHOWN:
            self.report.problems.append(problem)
        if self._on_problem is not None:
            self._on_problem(problem)
        refused.append(problem)


_REFUSALS = {
    "duplicate": ("is a number that stood in an earlier row", "leave one row for each number"),
    "do_not_call": ("is on the do-not-call list", "leave the row out; alodial dnc list says why"),
}
