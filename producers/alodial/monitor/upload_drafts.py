"""Uploaded files until they are submitted as campaigns: kept on this machine's disk, read in threads."""

import contextlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

import structlog

from alodial_schemas import FieldProblem

from ..campaigns.importing.row_check import CheckReport, Progress
from ..errors import AlodialError

IDLE_SECONDS = 3600.0
"""A file whose page nobody opened for so long is deleted."""

MAX_DRAFTS = 50
"""Above this the oldest are deleted, so that uploads do not fill the disk."""

THREADS = 2
"""Files that are read at the same time: each takes a core."""

Step = Literal["settings", "checking", "checked", "submitting", "submitted", "refused"]
BUSY = ("checking", "submitting")

log = structlog.get_logger("alodial.monitor")


class UploadStopped(AlodialError):
    """The process ends. The same file submitted again goes on from where it stopped."""


@dataclass(slots=True)
class UploadDraft:
    """An uploaded file. ``fields`` are the form's; ``step`` is what goes on or ended last, and is set after all else.

    In step ``settings`` the fields have ``problems``; in step ``refused`` the ``error`` says why the file was not accepted.
    """

    id: str
    path: Path
    filename: str
    owner: str
    fields: dict[str, str]
    step: Step = "settings"
    problems: list[FieldProblem] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    rows: int = 0
    share: float | None = None
    report: CheckReport | None = None
    error: AlodialError | None = None
    campaign: str = ""
    touched: float = field(default_factory=time.monotonic)

    stopping: bool = False

    def progressed(self, progress: Progress) -> None:
        """Called while the file is read. Raises UploadStopped when this process ends."""
        if self.stopping:
            raise UploadStopped
        self.rows = progress.rows
        self.share = min(1.0, progress.position / progress.size) if progress.size else None


class UploadDrafts:
    """The drafts of this process. After a restart the file has to be uploaded again."""

    def __init__(self) -> None:
        self._drafts: dict[str, UploadDraft] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(THREADS, "alodial-draft")

    def add(self, path: Path, filename: str, owner: str, fields: dict[str, str]) -> UploadDraft:
        """Keeps an uploaded file for its ``owner``, the scope of an API key."""
        draft = UploadDraft(secrets.token_hex(8), path, filename, owner, fields)
        with self._lock:
            self._drafts[draft.id] = draft
        self._tidy()
        return draft

    def get(self, id: str, owner: str) -> UploadDraft | None:
        """A draft, for the key that uploaded it alone; None without one."""
        draft = self._drafts.get(id)
        if draft is None or draft.owner != owner:
            return None
        draft.touched = time.monotonic()
        return draft

    def drop(self, draft: UploadDraft) -> None:
        """Forgets a draft and deletes its file."""
        with self._lock:
            self._drafts.pop(draft.id, None)
        with contextlib.suppress(OSError):
            draft.path.unlink()

    def work(self, draft: UploadDraft, step: Step, action: Callable[[], None]) -> bool:
        """Runs ``action`` in a thread, which keeps an AlodialError as the draft's ``error``. False while the draft is busy."""
        with self._lock:
            if draft.step in BUSY:
                return False
            draft.step, draft.rows, draft.share, draft.error = step, 0, None, None
        self._threads.submit(self._do, draft, action)
        return True

    def _do(self, draft: UploadDraft, action: Callable[[], None]) -> None:
        try:
            action()
        except AlodialError as exc:
            draft.error, draft.step = exc, "refused"
        except Exception:
            log.exception("draft.failed", step=draft.step)
            draft.error, draft.step = AlodialError("this is a fault of Alodial; its log has the details"), "refused"

    def _tidy(self) -> None:
        now = time.monotonic()
        idle = sorted((d for d in self._drafts.values() if d.step not in BUSY), key=lambda draft: draft.touched)
        over = max(0, len(self._drafts) - MAX_DRAFTS)
        for place, draft in enumerate(idle):
            if place < over or now - draft.touched > IDLE_SECONDS:
                self.drop(draft)

    def close(self) -> None:
        """Stops the threads and deletes all files."""
        for draft in list(self._drafts.values()):
            draft.stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        for draft in list(self._drafts.values()):
            self.drop(draft)
