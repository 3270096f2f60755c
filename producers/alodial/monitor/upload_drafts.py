"""Uploaded files until they are submitted: any web process shows them, the process that is asked to reads them in threads."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import structlog

from ..campaigns.errors import BadFile
from ..campaigns.importing.interruption import interrupted_by
from ..campaigns.importing.row_check import Progress
from ..errors import AlodialError, StoreUnavailable
from ..store import upload_drafts as records
from ..store.client import Store
from ..store.supervision import SupervisedThread
from ..web.client_presence import ProcessorTime
from .draft_record import (
    BUSY,
    NO_FILE,
    STOPPED,
    DraftError,
    Purpose,
    Step,
    UploadDraft,
    delete_files,
    draft_error,
    draft_from_json,
    id_of,
    is_id,
)

THREADS = 2
"""Files that are read at the same time: each takes a core."""
BEAT_SECONDS = 0.5
"""How often it is written how far a file is read."""
TIDY_SECONDS = 60.0
STOP_SECONDS = 5.0

log = structlog.get_logger("alodial.monitor")


class UploadStopped(AlodialError):
    """The process ends. The same file submitted again goes on from where it stopped."""


class DraftGone(Exception):
    """There is no such draft, or it is another key's."""


class CheckReplaced(Exception):
    """Another check of the file began, here or in another process, or the file was deleted."""


@dataclass(slots=True)
class DraftWork:
    """A step of a draft under way in this process; ``draft`` is this work's own. It ends with UploadStopped when
    ``stopping`` and with CheckReplaced when ``replaced``."""

    draft: UploadDraft
    action: Callable[["DraftWork"], Step]
    stopping: bool = False
    replaced: bool = False
    lock: Lock = field(default_factory=Lock)

    def check(self) -> None:
        """Raises UploadStopped or CheckReplaced. Called while the file is read."""
        if self.stopping:
            raise UploadStopped
        if self.replaced:
            raise CheckReplaced

    def progressed(self, progress: Progress) -> None:
        """Notes how far the file is read; raises as :meth:`check`."""
        self.check()
        self.draft.rows, self.draft.good, self.draft.bad = progress.rows, progress.good, progress.bad
        self.draft.share = min(1.0, progress.position / progress.size) if progress.size else None

    def imported_rows(self, rows: int) -> None:
        """Notes how many rows are imported; raises as :meth:`check`."""
        self.check()
        self.draft.rows = rows


def may_begin(step: Step, before: Step) -> bool:
    """Whether a step may begin after another, which may be under way: a check gives way to a check, nothing else does."""
    return before not in BUSY or before == step == "checking"


class UploadDrafts:
    """The drafts of all web processes that share Redis and the upload folder. All methods block.

    Those without another word raise StoreUnavailable.
    """

    def __init__(self, store: Store, seconds: float = 300) -> None:
        """``seconds``: processor time for one reading of a file."""
        self._store = store
        self._folder = store.settings.upload_folder
        self._seconds = seconds
        self._work: dict[str, DraftWork] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(THREADS, "alodial-draft")
        self._beat = SupervisedThread("upload-drafts", self._write_progress)
        self._tidied = time.monotonic()

    def start(self) -> None:
        """Starts the thread that writes how far files are read and deletes those that ended."""
        self._beat.start()

    def add(
        self, path: Path, filename: str, owner: str, fields: dict[str, str], purpose: Purpose = "campaign"
    ) -> UploadDraft:
        """Keeps an uploaded file for its ``owner``, the scope of an API key."""
        draft = UploadDraft(id_of(path), self._folder, filename, owner, fields, purpose=purpose)
        self._save(draft, before="")
        self.tidy()
        return draft

    def get(self, id: str, owner: str, purpose: Purpose = "campaign") -> UploadDraft | None:
        """A draft, for the key that uploaded it alone; None without one.

        One whose process fell silent at its work is ``refused``, and may be checked or submitted again.
        """
        for _ in range(3):
            stored = self._store.call(records.read, id) if is_id(id) else None
            if stored is None or stored.owner != owner:
                return None
            draft = draft_from_json(stored.record, self._folder)
            if draft.purpose != purpose:
                return None
            if draft.step in BUSY and not stored.in_work:
                draft.step, draft.error = "refused", STOPPED
            if draft.step not in (*BUSY, "submitted") and not draft.path.exists():
                draft.step, draft.error = "refused", NO_FILE
                return draft
            # A check that ended between the two reads has replaced the reports.
            with contextlib.suppress(FileNotFoundError):
                draft.load_reports()
                return draft
        draft.preview_of = draft.report_of = ""
        return draft

    def change(self, draft: UploadDraft) -> bool:
        """Keeps a changed draft that nobody works on; False when somebody else was first."""
        return self._save(draft, before=draft.version)

    def drop(self, draft: UploadDraft) -> None:
        """Forgets a draft and deletes its file."""
        self._store.call(records.forget, draft.id)
        delete_files(self._folder, draft.id)

    def work(self, draft: UploadDraft, step: Step, action: Callable[[DraftWork], Step]) -> bool:
        """Runs ``action`` in a thread; it returns the step that follows, and an AlodialError is kept as the draft's ``error``.

        A check that is running, in whatever process, gives way to another one. False while the draft is busy otherwise, or
        when another process began first.
        """
        before, version = draft.step, draft.version
        for _ in range(3):
            if not may_begin(step, before):
                return False
            draft.begin(step)
            # With the lock: of two checks that begin here the later one must be the one that is known.
            with self._lock:
                if self._save(draft, before=version, in_work=True):
                    if (replaced := self._work.get(draft.id)) is not None:
                        replaced.replaced = True
                    work = self._work[draft.id] = DraftWork(copy(draft), action)
                    self._threads.submit(self._do, work)
                    return True
            current = self.get(draft.id, draft.owner, draft.purpose)
            if current is None or step != "checking":
                return False
            before, version = current.step, current.version
        return False

    def _save(self, draft: UploadDraft, *, before: str, in_work: bool = False) -> bool:
        return self._store.run(
            records.write(
                draft.id,
                before=before,
                owner=draft.owner,
                version=draft.version,
                step=draft.step,
                record=draft.to_json(),
                in_work=in_work,
            )
        )

    def _do(self, work: DraftWork) -> None:
        step, error = self._attempt(work)
        with work.lock:
            work.draft.error, work.draft.step = error, step
        try:
            self._write(work)
        except StoreUnavailable:
            log.warning("draft.not_written", draft=work.draft.id)  # the thread that writes progress tries again

    def _attempt(self, work: DraftWork) -> tuple[Step, DraftError | None]:
        used = ProcessorTime(self._seconds)
        used.start()

        def check() -> None:
            used.stop()
            work.check()
            if used.is_used_up:
                problem = f"it took more than {used.seconds:g} seconds of processor time"
                raise BadFile("too_much_work", problem, "split it into several files")

        was = work.draft.step
        try:
            work.check()
            with interrupted_by(check):
                return work.action(work), None
        except CheckReplaced:
            work.replaced = True
            return "refused", None
        except UploadStopped:
            # Reading a file again does no harm, so the next process that shows it goes on. Submitting takes a click.
            return ("stopped" if was == "checking" else "refused"), STOPPED
        except FileNotFoundError:
            return "refused", NO_FILE
        except AlodialError as exc:
            return "refused", draft_error(exc)
        except Exception:
            log.exception("draft.failed", step=was)
            return "refused", DraftError("ours")

    def _write(self, work: DraftWork) -> None:
        """Writes how far the work is, or how it ended; then it is no work of this process any more."""
        draft = work.draft
        with work.lock:
            ended = draft.step not in BUSY
            if not work.replaced:
                self._save_reports(draft, ended=ended)
                work.replaced = not self._save(draft, before=draft.version, in_work=not ended)
            if not ended:
                return
        with self._lock:
            if self._work.get(draft.id) is work:
                del self._work[draft.id]
        if work.replaced:
            draft.delete_version()
        else:
            draft.delete_other_versions()

    def _save_reports(self, draft: UploadDraft, *, ended: bool) -> None:
        try:
            if draft.fresh and draft.preview_of != draft.version:
                draft.save_preview()
            if ended:
                draft.save_report()
        except OSError as exc:
            log.error("draft.not_kept", draft=draft.id, error=exc.strerror)
            draft.fresh = False
            if ended:
                draft.step, draft.error, draft.report = "refused", DraftError("ours"), None

    def _write_progress(self) -> float:
        for work in list(self._work.values()):
            self._write(work)
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            self.tidy()
        return BEAT_SECONDS

    def tidy(self) -> None:
        """Deletes the files of drafts that nobody looked at for an hour, and of those that are too many."""
        for id in self._store.call(records.ended):
            delete_files(self._folder, id)

    def close(self) -> None:
        """Ends the work of this process. Its drafts stay for the others, and for the process that starts next."""
        for work in list(self._work.values()):
            work.stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._beat.stop(STOP_SECONDS)
        for work in list(self._work.values()):
            if work.draft.step in BUSY:  # it had not begun
                work.draft.step = "stopped" if work.draft.step == "checking" else "refused"
                work.draft.error = STOPPED
            with contextlib.suppress(StoreUnavailable):
                self._write(work)
