"""Checks a file in one pass: every row is good, bad, a duplicate or suppressed. Check and submit share it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alodial_schemas.campaigns import CampaignRequest
from alodial_schemas.operator_codes import AS_OF

from ...i18n import ENGLISH, Message, Translator
from ...settings import Settings
from ..row_codec import DUPLICATE, RowProblem, RowSpec
from .columns import ColumnUse, read_columns
from .duplicates import DuplicateSet
from .files import RowSource, SourceRow
from .interruption import go_on
from .questions import Choice, Question
from .row_parser import MASK_128, RowParser, content_hash, phones_of_row, row_keys

BATCH = 1000
MAX_LISTED = 100
MAX_SAMPLES = 20
"""Rows that a report shows as they are."""
MAX_EXAMPLES = 20
MAX_BUFFERED = 2000
"""Rejected rows that wait for a full chunk of good ones: a file of bad rows only must not fill the memory."""

_REJECTIONS = {
    DUPLICATE: ("repeats a number of an earlier row", "leave one row for each number"),
    "do_not_call": ("is on the do-not-call list", "remove the row; alodial dnc list shows the reason"),
}

GoodRow = tuple[int, RowSpec, tuple[str, ...]]


class Progress(NamedTuple):
    """How much of the file has been read; ``position`` and ``size`` in bytes."""

    rows: int
    good: int
    bad: int
    position: int
    size: int | None


OnProgress = Callable[[Progress], None]
OnProblem = Callable[[RowProblem], None]


class CheckWarning(NamedTuple):
    """Something that is perhaps not meant, and keeps no row from being called."""

    message: Message

    @property
    def code(self) -> str:
        return self.message.key.removeprefix("warning.")

    @property
    def rows(self) -> int:
        return self.message.count or 0

    def text(self, t: Translator = ENGLISH) -> str:
        return t.say(self.message)

    def to_dict(self, t: Translator = ENGLISH) -> dict[str, Any]:
        return {"code": self.code, "text": self.text(t), "rows": self.rows}


@dataclass(slots=True)
class CheckReport:
    """The result of a check.

    ``understood`` is field -> column name, ``table`` what each column is used for, ``header_row`` its row number (0 without
    one), ``skipped`` the rows above it, ``samples`` the first rows below it, ``head`` those of the file. While one of
    ``questions`` is open, nothing can be submitted; without a phone column no row is read. ``hidden`` counts the rows that the
    spreadsheet program hides. ``problems`` are the first hundred, ``examples`` the first twenty of each code, ``first`` the
    first good row's call, ``content`` a hash of all good rows that does not depend on their order; ``seconds`` the expected
    duration of the campaign and ``expected_end`` its end in Unix ms.
    """

    name: str
    kind: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    understood: dict[str, str]
    columns: tuple[str, ...]
    table: tuple[ColumnUse, ...] = ()
    questions: list[Question] = field(default_factory=list)
    warnings: list[CheckWarning] = field(default_factory=list)
    sheets: tuple[str, ...] = ()
    header_row: int = 0
    skipped: tuple[tuple[int, str], ...] = ()
    samples: tuple[tuple[str, ...], ...] = ()
    head: tuple[tuple[int, tuple[str, ...]], ...] = ()
    hidden: int = 0
    good: int = 0
    bad: int = 0
    duplicate: int = 0
    suppressed: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    by_code: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[RowProblem]] = field(default_factory=dict)
    first: RowSpec | None = None
    content: str = ""
    seconds: float | None = None
    expected_end: int | None = None

    @property
    def rows(self) -> int:
        return self.good + self.bad + self.duplicate + self.suppressed

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the columns that nothing is used of."""
        return tuple(use.name for use in self.table if not use.field)

    def totals(self) -> dict[str, int]:
        """The file's rows by their outcome, as a campaign stores them."""
        return {"file": self.rows} | {name: getattr(self, name) for name in ("good", "bad", "duplicate", "suppressed")}

    def to_dict(self, t: Translator = ENGLISH) -> dict[str, Any]:
        """The report as JSON; its texts are in the translator's language, its names and codes are the same in all."""
        from ...store.records import iso  # noqa: PLC0415  # everything else here works without the store

        return {
            "file": self.name,
            "kind": self.kind,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "sheet": self.sheet,
            "sheets": list(self.sheets),
            "header_row": self.header_row,
            "skipped": [{"row": number, "text": text} for number, text in self.skipped],
            "hidden": self.hidden,
            "table": [use.to_dict(t) for use in self.table],
            "problems": [problem.to_dict() | _words(problem, t) for problem in self.problems],
            "by_code": dict(self.by_code.most_common()),
            "warnings": [warning.to_dict(t) for warning in self.warnings],
            "seconds": self.seconds,
            "duration": None if self.seconds is None else t.span(self.seconds).replace("\u00a0", " "),
            "expected_end": None if self.expected_end is None else iso(self.expected_end),
            "columns": self.understood,
            "ignored": list(self.ignored),
            "questions": [question.to_dict(t) for question in self.questions],
            "rows": self.rows,
            "good": self.good,
            "bad": self.bad,
            "duplicate": self.duplicate,
            "suppressed": self.suppressed,
        }


def _words(problem: RowProblem, t: Translator) -> dict[str, str]:
    text = t.problem(problem.code, problem.problem, problem.remedy)
    return {"problem": text.problem, "remedy": text.remedy}


class RowChecker:
    """Checks the rows of one file for one campaign; ``report`` is complete when :meth:`chunks` ends.

    ``suppressed`` says for each E.164 number whether it is on the do-not-call list; ``now_ms`` is the time by which rows have
    expired, in Unix ms. ``report.questions`` has those about
    sheet and columns at once, and the others when :meth:`chunks` ends. Raises BadFile at once for a sheet, header row or
    column that is asked for and missing.
    """

    def __init__(
        self,
        source: RowSource,
        request: CampaignRequest,
        settings: Settings,
        *,
        suppressed: Callable[[list[str]], list[bool]],
        progress: OnProgress | None = None,
        on_problem: OnProblem | None = None,
        now_ms: int = 0,
    ) -> None:
        questions = source.choose(sheet=request.sheet, header_row=request.header_row, hidden=request.hidden)
        header = source.header
        reading = read_columns(header.names, header.samples, request.columns, request.call)
        columns = reading.columns
        self.columns = source.columns
        self.report = CheckReport(
            source.name,
            source.kind,
            source.encoding,
            source.delimiter,
            source.sheet,
            columns.by_field(),
            source.columns,
            reading.table,
            [*questions, *reading.questions],
            sheets=source.sheets,
            header_row=header.number,
            skipped=header.skipped,
            samples=header.samples[:MAX_SAMPLES],
            head=header.head,
        )
        self._hidden = request.hidden
        self._now_ms = now_ms
        self._expired = 0
        self._source = source
        self._parser = RowParser(columns, request, settings) if columns.phones else None
        self._mapped = columns
        self._suppressed = suppressed
        self._progress = progress
        self._on_problem = on_problem
        self._hash_sum = 0

    def chunks(self, size: int) -> Iterator[tuple[list[GoodRow], list[RowProblem]]]:
        """The good rows in chunks of ``size``, each with the rows that were rejected meanwhile.

        After :data:`MAX_BUFFERED` rejected rows, and at the end, a chunk may be shorter or hold no good rows.
        """
        seen = DuplicateSet()
        good: list[GoodRow] = []
        rejected: list[RowProblem] = []
        try:
            for rows, position in self._batches():
                go_on()
                self._check(rows, seen, good, rejected)
                while len(good) >= size:
                    yield good[:size], rejected
                    good, rejected = good[size:], []
                if len(rejected) >= MAX_BUFFERED:
                    yield good, rejected
                    good, rejected = [], []
                if self._progress is not None:
                    report = self.report
                    self._progress(Progress(report.rows, report.good, report.bad, position, self._source.size))
            if good or rejected:
                yield good, rejected
            self._ask_about_rows()
            self.report.content = f"{self._hash_sum:032x}{self.report.good:x}"
        finally:
            seen.close()

    def _batches(self) -> Iterator[tuple[list[SourceRow | RowProblem], int]]:
        batch: list[SourceRow | RowProblem] = []
        position = 0
        if self._parser is None:
            # Nobody can be called before it is known which column is the phone.
            return
        for row in self._source.rows():
            batch.append(row)
            if len(batch) >= BATCH:
                position = next((row.position for row in reversed(batch) if isinstance(row, SourceRow)), position)
                yield batch, position
                batch = []
        if batch:
            yield batch, self._source.size or position

    def _check(
        self, rows: list[SourceRow | RowProblem], seen: DuplicateSet, good: list[GoodRow], rejected: list[RowProblem]
    ) -> None:
        """Appends each row to ``good`` or ``rejected`` and counts it in the report."""
        assert self._parser is not None  # noqa: S101  # without a parser no row is read
        parse = self._parser.parse
        parsed = [(row, row if isinstance(row, RowProblem) else parse(row)) for row in rows]
        specs = [spec for _, spec in parsed if isinstance(spec, RowSpec)]
        numbers = [phones_of_row(spec) for spec in specs]
        flat = [number for row_numbers in numbers for number in row_numbers]
        listed = dict(zip(flat, self._suppressed(flat), strict=True)) if flat else {}
        listed_numbers = [next((number for number in row if listed[number]), "") for row in numbers]
        # A suppressed row is not called, so that a later row may have its other numbers.
        keys = [row_keys(spec) for spec, number in zip(specs, listed_numbers, strict=True) if not number]
        repeated = iter(seen.add_rows(keys))
        outcomes = iter(listed_numbers)
        report = self.report
        for row, spec in parsed:
            if isinstance(spec, RowProblem):
                report.bad += 1
                self._reject(spec, rejected)
                continue
            if listed_number := next(outcomes):
                report.suppressed += 1
                self._reject(self._rejection("do_not_call", row, listed_number), rejected)
            elif (key := next(repeated)) is not None:
                report.duplicate += 1
                self._reject(self._rejection(DUPLICATE, row, f"+{key}"), rejected)
            else:
                report.good += 1
                if spec.expires_at is not None and spec.expires_at <= self._now_ms:
                    self._expired += 1
                if report.first is None:
                    report.first = spec
                self._hash_sum = (self._hash_sum + content_hash(spec)) & MASK_128
                good.append((row.number, spec, row.cells))

    def _ask_about_rows(self) -> None:
        """The questions and warnings that the rows themselves raise."""
        report, parser = self.report, self._parser
        report.hidden = self._source.hidden_rows
        if report.hidden and self._hidden is None:
            choices = tuple(
                Choice("hidden", answer, Message(f"choice.hidden_{answer}", count=report.hidden))
                for answer in ("skip", "keep")
            )
            report.questions.append(Question("hidden_rows", Message("question.hidden", count=report.hidden), choices))
        if parser is None:
            return
        if count := parser.without_country or parser.abroad:
            uzbek = Choice("prefix", "+998", Message("choice.uzbek"))
            key = "question.country" if parser.without_country else "question.country_named"
            report.questions.append(Question("country_unclear", Message(key, count=count), (uzbek,)))
        if self._expired:
            report.warnings.append(CheckWarning(Message("warning.rows_expired", count=self._expired)))
        if parser.unknown_codes:
            codes = ", ".join(sorted(parser.unknown_codes)[:20])
            values = {"codes": codes, "date": AS_OF}
            report.warnings.append(
                CheckWarning(Message("warning.operator_unknown", values, parser.unknown_codes.total()))
            )

    def _rejection(self, code: str, row: SourceRow | RowProblem, phone: str) -> RowProblem:
        problem, remedy = _REJECTIONS[code]
        return RowProblem(row.number, self._column_of(phone, row.cells), code, problem, remedy, phone, row.cells)

    def _column_of(self, phone: str, cells: tuple[str, ...]) -> str:
        """The column that holds this number: a row may have several phones and an initiator."""
        columns = self._mapped
        places = columns.phones if columns.initiator is None else (*columns.phones, columns.initiator)
        # A number is written with at least its nine national digits; anything may separate them.
        matching = (at for at in places if phone[-9:] in "".join(c for c in cells[at] if c.isdecimal()))
        return columns.names[next(matching, columns.phones[0])]

    def _reject(self, problem: RowProblem, rejected: list[RowProblem]) -> None:
        self.report.by_code[problem.code] += 1
        if len(self.report.problems) < MAX_LISTED:
            self.report.problems.append(problem)
        examples = self.report.examples.setdefault(problem.code, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(problem)
        if self._on_problem is not None:
            self._on_problem(problem)
        rejected.append(problem)
