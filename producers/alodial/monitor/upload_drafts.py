"""Uploaded files between their check and their submission: kept on this machine's disk, worked on in threads."""

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

KEPT = 3600.0
"""Seconds after which a file that nobody came back to is deleted."""

MOST = 50
"""Drafts at once; the oldest goes first, so that uploads cannot fill the disk."""

AT_ONCE = 2
"""Files read at the same time: each takes a core for its while."""

Step = Literal["settings", "checking", "checked", "submitting", "submitted", "refused"]
BUSY = ("checking", "submitting")

log = structlog.get_logger("alodial.monitor")


class UploadStopped(AlodialError):
    """The process ends; the same file submitted again goes on where it was."""


@dataclass(slots=True)
class UploadDraft:
    """One uploaded file. ``fields`` are the form's; ``step`` says what is being done or was done last, and is set last.

    ``settings``: its fields have problems; ``refused``: ``trouble`` says why the file was not taken.
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
    trouble: AlodialError | None = None
    campaign: str = ""
    touched: float = field(default_factory=time.monotonic)

    stopping: bool = False

    def progressed(self, progress: Progress) -> None:
        """Called while the file is read. Raises Stopped when this process ends."""
        if self.stopping:
            raise UploadStopped
        self.rows = progress.rows
        self.share = min(1.0, progress.position / progress.size) if progress.size else None


class UploadDrafts:
    """The drafts of this process. A restart forgets them: the file is chosen once more."""

    def __init__(self) -> None:
        self._drafts: dict[str, UploadDraft] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, "alodial-draft")

    def add(self, path: Path, filename: str, owner: str, fields: dict[str, str]) -> UploadDraft:
        draft = UploadDraft(secrets.token_hex(8), path, filename, owner, fields)
        with self._lock:
            self._drafts[draft.id] = draft
        self._tidy()
        return draft

    def get(self, id: str, owner: str) -> UploadDraft | None:
        """Only for the key that uploaded it."""
        draft = self._drafts.get(id)
        if draft is None or draft.owner != owner:
            return None
        draft.touched = time.monotonic()
        return draft

    def drop(self, draft: UploadDraft) -> None:
        """Forgets it and deletes its file."""
        with self._lock:
            self._drafts.pop(draft.id, None)
        with contextlib.suppress(OSError):
            draft.path.unlink()

    def work(self, draft: UploadDraft, step: Step, todo: Callable[[], None]) -> bool:
        """Does it in a thread; what it raises on purpose is the draft's ``trouble``. False when it is busy already."""
        with self._lock:
            if draft.step in BUSY:
                return False
            draft.step, draft.rows, draft.share, draft.trouble = step, 0, None, None
        self._threads.submit(self._do, draft, todo)
        return True

    def _do(self, draft: UploadDraft, todo: Callable[[], None]) -> None:
        try:
            todo()
        except AlodialError as exc:
            draft.trouble, draft.step = exc, "refused"
        except Exception:
            log.exception("draft.failed", step=draft.step)
            draft.trouble, draft.step = AlodialError("the fault is ours; it is in our log"), "refused"

    def _tidy(self) -> None:
        now = time.monotonic()
        idle = sorted((d for d in self._drafts.values() if d.step not in BUSY), key=lambda draft: draft.touched)
        over = max(0, len(self._drafts) - MOST)
        for place, draft in enumerate(idle):
            if place < over or now - draft.touched > KEPT:
                self.drop(draft)

    def close(self) -> None:
        """Breaks off what is under way and deletes what is left."""
        for draft in list(self._drafts.values()):
            draft.stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        for draft in list(self._drafts.values()):
            self.drop(draft)
