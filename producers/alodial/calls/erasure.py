"""Erases one person: everything that the store holds of a phone number, but for a hash that keeps it from being called."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from alodial_schemas import ENDS, State, extid_of
from alodial_schemas.number_pattern import number_pattern

from ..campaigns.row_codec import PackedRow, RowSpec, pack, pack_problems, unpack, unpack_problems
from ..errors import ConfigurationError
from ..store import call_transitions, do_not_call, erasure
from ..store.answers import text
from ..store.client import Store
from ..store.do_not_call import ERASED_NUMBER
from ..store.erasure import PersonCall

WAITING: Final = (State.SCHEDULED, State.QUEUED)
REASON: Final = "erased"
KEPT_TEXTS: Final = {
    "name": "the name of campaign {campaign}, until that is deleted with its age",
    "request": "the request of campaign {campaign}, until that is deleted with its age",
    "files": "Redis' own files, until it writes them anew (BGREWRITEAOF, BGSAVE)",
}
"""Where a number stays for a while, as reports say it; commands and the monitor translate it."""

log = structlog.get_logger("alodial.erasure")

_CALL: Final = re.compile(r'"(?:subject|call_id)": ?"([^"]+)"')


@dataclass(slots=True)
class ErasureReport:
    """What held the number and was erased, or would be: how many of each kind.

    ``rows`` are those of campaigns, rejected ones too; ``results`` are callbacks that were set aside, ``deliveries`` events that
    waited for webhooks, ``lists`` do-not-call lists that had the number in plain text, ``archived`` what the
    archive held: calls, rows, events, acts.
    ``under_way`` are ids of calls that have to end first, ``kept`` says where the number stays and why.
    """

    calls: int = 0
    rows: int = 0
    events: int = 0
    logs: int = 0
    archived: int = 0
    results: int = 0
    deliveries: int = 0
    lists: int = 0
    under_way: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def total(self) -> int:
        """How many things held the number."""
        return (
            self.calls
            + self.rows
            + self.events
            + self.logs
            + self.archived
            + self.results
            + self.deliveries
            + self.lists
        )


def erased_rows(blob: bytes, number: str, pattern: re.Pattern[str]) -> tuple[bytes, int]:
    """A chunk of rows without the number, and how many had it. A row keeps its place; one that called the number calls nobody."""
    rows = unpack(blob)
    clean = [_erased_row(row, number, pattern) for row in rows]
    changed = sum(before != after for before, after in zip(rows, clean, strict=True))
    return (pack(clean) if changed else blob), changed


def _erased_row(row: PackedRow, number: str, pattern: re.Pattern[str]) -> PackedRow:
    spec = row.spec
    if number in spec.to:
        return PackedRow(row.number, RowSpec((ERASED_NUMBER,)), ("",) * len(row.cells))
    fresh = spec._replace(
        initiator=ERASED_NUMBER if spec.initiator == number else spec.initiator,
        reference=spec.reference and pattern.sub("", spec.reference),
        metadata={name: pattern.sub("", value) for name, value in spec.metadata.items()},
    )
    return PackedRow(row.number, fresh, tuple(pattern.sub("", cell) for cell in row.cells))


def erased_problems(blob: bytes, pattern: re.Pattern[str]) -> tuple[bytes, int]:
    """A chunk of rejected rows without the number, and how many had it."""
    problems = unpack_problems(blob)
    clean = [
        problem._replace(problem=pattern.sub("", problem.problem), value="", cells=("",) * len(problem.cells))
        if any(map(pattern.search, (problem.problem, problem.value, *problem.cells)))
        else problem
        for problem in problems
    ]
    changed = sum(before != after for before, after in zip(problems, clean, strict=True))
    return (pack_problems(clean) if changed else blob), changed


class Eraser:
    """Erases a number in E.164 from one store. Repeat a run that was cut short: it goes on with what is left.

    With ``apply=False`` it only counts. ``progress`` gets a table of the archive and how many of its rows were looked at, now
    and then. Raises StoreUnavailable and ArchiveUnavailable.
    """

    def __init__(
        self,
        store: Store,
        number: str,
        *,
        apply: bool,
        progress: Callable[[str, int], None] = lambda _table, _rows: None,
    ) -> None:
        self._progress = progress
        self._store = store
        self._number = number
        self._apply = apply
        self._pattern = number_pattern(number)
        self._calls: set[str] = set()
        self._put_back: set[str] = set()
        self.report = ErasureReport()

    def run(self, actor: str) -> ErasureReport:
        """Puts the number on the do-not-call list as a hash, so that nothing new begins, and then erases everything else."""
        if self._apply:
            entry = do_not_call.entry_json(REASON, actor, self._store.server_ms())
            self._store.run(do_not_call.forget_numbers([self._number], entry))
        names = self._store.call(erasure.store_keys, self._number)
        report = self.report
        report.lists = self._store.call(erasure.delete_listed, names.lists, self._number, apply=self._apply)
        self._erase_calls(names.calls)
        if self._apply:
            self._store.call(lambda client, _: erasure.delete_keys(client, names.counters))
        self._erase_campaigns(names)
        self._erase_reports(names)
        report.archived = self._erase_archived()
        if self._put_back:  # what was reported of them meanwhile may be in the archive too
            self._calls |= self._put_back
            self._erase_reports(names)
            report.archived += self._erase_archived()
        report.logs = self._delete_entries(self._store.keys.LOGS, b"l")
        if self._apply:
            if report.total and not self._store.call(lambda client, _: erasure.rewrite_file(client)):
                report.kept.append(KEPT_TEXTS["files"])
            log.info("person.erased", actor=actor, under_way=len(report.under_way), kept=len(report.kept))
        return report

    def _erase_reports(self, names: erasure.StoreKeys) -> None:
        """Events, deliveries to webhook endpoints and results without a call."""
        self._note_subjects()
        self.report.events += self._delete_entries(self._store.keys.EVENTS, b"event")
        for endpoint in names.endpoints:
            self.report.deliveries += self._store.call(
                erasure.delete_deliveries, endpoint, self._concerns, apply=self._apply
            )
        self.report.results += self._store.call(erasure.delete_results, self._pattern, apply=self._apply)

    def _erase_archived(self) -> int:
        """After Redis, from which the archiver then takes nothing more of it, nor of what it has read before. Raises
        ArchiveUnavailable: repeat the run then."""
        if self._apply:
            self._store.call(erasure.note)
        if self._store.settings.archive_url is None:
            return 0
        url = self._store.settings.archive_url.get_secret_value()
        try:
            from ..archive.engine import open_engine, reading  # noqa: PLC0415  # SQLAlchemy is loaded only where there is an archive
            from ..archive.erasure import erase_person  # noqa: PLC0415  # as above
            from ..archive.migrate import is_current  # noqa: PLC0415  # as above
            from ..archive.namespace import check_owner  # noqa: PLC0415  # as above
        except ImportError as exc:
            raise ConfigurationError(f"the archive needs {exc.name}; pip install 'alodial[archive]'") from None
        engine = open_engine(url)
        try:
            if not is_current(engine):
                return 0
            with reading(engine) as connection:
                check_owner(connection, self._store.settings.namespace)
            erased = erase_person(
                engine,
                self._number,
                self._pattern,
                apply=self._apply,
                forget=self._forget_archived,
                progress=self._progress,
            )
        finally:
            engine.dispose()
        return sum(erased)

    def _forget_archived(self, calls: list[str]) -> None:
        """What the store remembers of archived calls, and records that were put back for a late result meanwhile."""
        extids = [extid for id in calls if (extid := extid_of(id))]
        self._store.call(erasure.forget_requests, extids)
        put_back = [call for call in self._holding(extids) if call.state in ENDS]
        self._put_back.update(call.id for call in put_back)
        if put_back:
            self._store.call(erasure.delete_calls, put_back)
            self._store.call(erasure.note)

    def _erase_calls(self, extids: list[str]) -> None:
        calls = self._holding(extids)
        if self._apply and (waiting := [call.extid for call in calls if call.state in WAITING]):
            for start in range(0, len(waiting), erasure.PAGE):
                self._store.run(call_transitions.cancel(waiting[start : start + erasure.PAGE], "do_not_call"))
            calls = self._holding([call.extid for call in calls])
        over = [call for call in calls if call.state in ENDS or (not self._apply and call.state in WAITING)]
        self.report.under_way = sorted({call.id for call in calls} - {call.id for call in over})
        self._calls = {call.id for call in over}
        self.report.calls = self._store.call(erasure.delete_calls, over) if self._apply else len(over)

    def _holding(self, extids: list[str]) -> list[PersonCall]:
        # SCAN may name a key twice.
        return self._store.call(
            lambda client, keys: list(erasure.person_calls(client, keys, dict.fromkeys(extids), self._pattern))
        )

    def _erase_campaigns(self, names: erasure.StoreKeys) -> None:
        change = partial(erased_rows, number=self._number, pattern=self._pattern)
        problems = partial(erased_problems, pattern=self._pattern)
        for campaign in names.rows:
            self.report.rows += self._rewrite(campaign, self._store.keys.campaign_rows(campaign), change)
        for campaign in names.problems:
            self.report.rows += self._rewrite(campaign, self._store.keys.campaign_problems(campaign), problems)
        for campaign in names.campaigns:
            self._delete_activity(campaign)
            for what, words in self._store.call(erasure.texts_of_campaign, campaign).items():
                if self._pattern.search(words):
                    self.report.kept.append(KEPT_TEXTS[what].format(campaign=campaign))

    def _rewrite(self, campaign: str, key: str, change: Callable[[bytes], tuple[bytes, int]]) -> int:
        return self._store.call(erasure.rewrite, campaign, key, change, apply=self._apply)

    def _delete_activity(self, campaign: str) -> None:
        def holds(fields: dict[bytes, bytes]) -> bool:
            return any(self._pattern.search(text(value)) for value in fields.values())

        self._delete(self._store.keys.campaign_log(campaign), holds)

    def _note_subjects(self) -> None:
        """Notes the calls of events that hold the number: their records may be gone already."""

        def note(fields: dict[bytes, bytes]) -> bool:
            event = text(fields.get(b"event", b""))
            if self._pattern.search(event) and (subject := _CALL.search(event)):
                self._calls.add(subject[1])
            return False

        self._store.call(lambda client, keys: erasure.delete_entries(client, keys.EVENTS, note, apply=False))
        self._calls.difference_update(self.report.under_way)

    def _delete_entries(self, stream: str, name: bytes) -> int:
        return self._delete(stream, lambda fields: self._concerns(text(fields.get(name, b""))))

    def _delete(self, stream: str, holds: Callable[[dict[bytes, bytes]], bool]) -> int:
        return self._store.call(lambda client, _: erasure.delete_entries(client, stream, holds, apply=self._apply))

    def _concerns(self, document: str) -> bool:
        """Whether an event or a log line is of a call that was erased, or holds the number and is of no call under way."""
        subject = _CALL.search(document)
        if subject and subject[1] in self._calls:
            return True
        return bool(self._pattern.search(document)) and not (subject and subject[1] in self.report.under_way)
