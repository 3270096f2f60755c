"""Uploaded files until they are submitted as campaigns: kept on this machine's disk, read in threads."""

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

import structlog

from alodial_schemas import FieldProblem

from ..campaigns.errors import BadFile
from ..campaigns.importing.interruption import interrupted_by
from ..campaigns.importing.row_check import CheckReport, Progress
from ..do_not_call import DoNotCallImport
from ..errors import AlodialError
from ..web.client_presence import ProcessorTime
from .file_form import FileAnswers

IDLE_SECONDS = 3600.0
"""A file whose page nobody opened for so long is deleted."""

MAX_DRAFTS = 50
MAX_OF_OWNER = 10
"""Above these the oldest are deleted, so that uploads do not fill the disk; those of one key first."""

THREADS = 2
"""Files that are read at the same time: each takes a core."""

Step = Literal["settings", "checking", "questions", "checked", "submitting", "submitted", "refused"]
BUSY = ("checking", "submitting")

log = structlog.get_logger("alodial.monitor")


class UploadStopped(AlodialError):
    """The process ends. The same file submitted again goes on from where it stopped."""


class CheckReplaced(Exception):
    """Somebody gave other answers while the file was being read: it is read again with them."""


@dataclass(slots=True)
class UploadDraft:
    """An uploaded file. ``fields`` are the form's; ``step`` is what goes on or ended last, and is set after all else.

    In step ``settings`` the fields have ``problems``; in step ``questions`` the ``report`` has some; in step ``refused`` the
    ``error`` says why the file was not accepted. ``preview`` is how the file is read, before its rows are counted, and
    ``fresh`` once it is of the present answers. ``version`` changes with every check, so that only what was shown is
    submitted. ``remembered`` when the columns are used as in an earlier file. A file of the ``purpose`` do_not_call has
    ``imported`` in step ``submitted``.
    """

    id: str
    path: Path
    filename: str
    owner: str
    fields: dict[str, str]
    step: Step = "settings"
    problems: list[FieldProblem] = field(default_factory=list)
    answers: FileAnswers = field(default_factory=FileAnswers)
    remembered: bool = False
    preview: CheckReport | None = None
    fresh: bool = False
    rows: int = 0
    good: int = 0
    bad: int = 0
    share: float | None = None
    report: CheckReport | None = None
    version: str = ""
    error: AlodialError | None = None
    campaign: str = ""
    purpose: Literal["campaign", "do_not_call"] = "campaign"
    imported: DoNotCallImport | None = None
    touched: float = field(default_factory=time.monotonic)

    stopping: bool = False
    replacement: Callable[[], Step] | None = None
    """The check that begins when the running one has stopped."""

    @property
    def rejected_path(self) -> Path:
        """The rows that the last check rejected, as the check writes them."""
        return self.path.with_name(f"{self.path.name}.rejected")

    def progressed(self, progress: Progress) -> None:
        """Called while the file is read. Raises UploadStopped when this process ends, CheckReplaced for another check."""
        if self.stopping:
            raise UploadStopped
        if self.replacement is not None:
            raise CheckReplaced
        self.rows, self.good, self.bad = progress.rows, progress.good, progress.bad
        self.share = min(1.0, progress.position / progress.size) if progress.size else None

    def imported_rows(self, rows: int) -> None:
        """Called while the file is imported. Raises UploadStopped when this process ends."""
        if self.stopping:
            raise UploadStopped
        self.rows = rows


class UploadDrafts:
    """The drafts of this process. After a restart the file has to be uploaded again."""

    def __init__(self, seconds: float = 300) -> None:
        """``seconds``: processor time for one reading of a file."""
        self._seconds = seconds
        self._drafts: dict[str, UploadDraft] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(THREADS, "alodial-draft")

    def add(
        self,
        path: Path,
        filename: str,
        owner: str,
        fields: dict[str, str],
        purpose: Literal["campaign", "do_not_call"] = "campaign",
    ) -> UploadDraft:
        """Keeps an uploaded file for its ``owner``, the scope of an API key."""
        draft = UploadDraft(secrets.token_hex(8), path, filename, owner, fields, purpose=purpose)
        with self._lock:
            self._drafts[draft.id] = draft
        self._tidy()
        return draft

    def get(self, id: str, owner: str, purpose: Literal["campaign", "do_not_call"] = "campaign") -> UploadDraft | None:
        """A draft, for the key that uploaded it alone; None without one."""
        draft = self._drafts.get(id)
        if draft is None or draft.owner != owner or draft.purpose != purpose:
            return None
        draft.touched = time.monotonic()
        return draft

    def drop(self, draft: UploadDraft) -> None:
        """Forgets a draft and deletes its file."""
        with self._lock:
            self._drafts.pop(draft.id, None)
        for path in (draft.path, draft.rejected_path):
            with contextlib.suppress(OSError):
                path.unlink()

    def work(self, draft: UploadDraft, step: Step, action: Callable[[], Step]) -> bool:
        """Runs ``action`` in a thread; it returns the step that follows, and an AlodialError is kept as the draft's ``error``.

        A check that is running gives way to another one. False while the draft is busy otherwise.
        """
        with self._lock:
            if draft.step == step == "checking":
                draft.replacement = action
                return True
            if draft.step in BUSY:
                return False
            self._begin(draft, step)
        self._threads.submit(self._do, draft, action)
        return True

    def _begin(self, draft: UploadDraft, step: Step) -> None:
        draft.rows = draft.good = draft.bad = 0
        draft.step, draft.share, draft.error = step, None, None
        draft.version, draft.fresh = secrets.token_hex(8), False

    def _do(self, draft: UploadDraft, action: Callable[[], Step]) -> None:
        while True:
            step, error = self._attempt(draft, action)
            with self._lock:
                if draft.replacement is None or draft.stopping:
                    draft.error, draft.step = error, step
                    return
                action, draft.replacement = draft.replacement, None
                self._begin(draft, draft.step)

    def _attempt(self, draft: UploadDraft, action: Callable[[], Step]) -> tuple[Step, AlodialError | None]:
        used = ProcessorTime(self._seconds)
        used.start()

        def check() -> None:
            used.stop()
            if draft.stopping:
                raise UploadStopped
            if used.is_used_up:
                problem = f"it took more than {used.seconds:g} seconds of processor time"
                raise BadFile("too_much_work", problem, "split it into several files")

        try:
            with interrupted_by(check):
                return action(), None
        except CheckReplaced:
            return draft.step, None
        except AlodialError as exc:
            return "refused", exc
        except Exception:
            log.exception("draft.failed", step=draft.step)
            return "refused", AlodialError("this is a fault of Alodial; its log has the details")

    def _tidy(self) -> None:
        now = time.monotonic()
        idle = sorted((d for d in self._drafts.values() if d.step not in BUSY), key=lambda draft: draft.touched)
        left = Counter(draft.owner for draft in self._drafts.values())
        for draft in idle:
            too_many = left[draft.owner] > MAX_OF_OWNER or len(self._drafts) > MAX_DRAFTS
            if too_many or now - draft.touched > IDLE_SECONDS:
                left[draft.owner] -= 1
                self.drop(draft)

    def close(self) -> None:
        """Stops the threads and deletes all files."""
        for draft in list(self._drafts.values()):
            draft.stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        for draft in list(self._drafts.values()):
            self.drop(draft)
