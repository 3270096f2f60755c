"""An uploaded file until it is submitted: what pages show of it, and how that is kept for all web processes.

What is small is a JSON record in Redis. The file, its reports and its rejected rows lie in the upload folder, which all web
processes share: they take megabytes, and ``ALODIAL_UPLOAD_MAX_BYTES`` bounds that folder.
"""

import contextlib
import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, TypeAdapter

from alodial_schemas import FieldProblem

from ..campaigns.errors import BadFile, CampaignDuplicate
from ..campaigns.importing.questions import OpenQuestions, Question
from ..campaigns.importing.row_check import CheckReport
from ..do_not_call import DoNotCallImport
from ..errors import AlodialError, LimitReached, StoreFull, StoreUnavailable
from .file_form import FileAnswers

Purpose = Literal["campaign", "do_not_call"]
Step = Literal["settings", "checking", "questions", "checked", "submitting", "submitted", "stopped", "refused"]
BUSY: Final = ("checking", "submitting")

_FILE: Final = "upload-"
_ID: Final = re.compile("[0-9a-f]{8,64}")


class DraftError(NamedTuple):
    """Why a file was not accepted: ``kind`` is the text that the page shows, ``values`` what stands in it.

    ``questions`` are those that an import leaves open.
    """

    kind: Literal["duplicate", "bad_file", "full", "limit", "away", "stopped", "no_file", "ours"]
    values: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def duplicate(self) -> CampaignDuplicate | None:
        """The campaign that has the same rows."""
        return CampaignDuplicate(*self.values) if self.kind == "duplicate" else None

    @property
    def bad_file(self) -> BadFile | None:
        """What is wrong with the file."""
        return BadFile(*self.values) if self.kind == "bad_file" else None


def draft_error(error: AlodialError) -> DraftError:
    """The error as a draft keeps it."""
    match error:
        case CampaignDuplicate():
            return DraftError("duplicate", (error.id, error.name))
        case BadFile():
            questions = error.questions if isinstance(error, OpenQuestions) else ()
            return DraftError("bad_file", (error.code, error.problem, error.remedy), questions)
        case LimitReached():
            return DraftError("limit", (error.limit,))
        case StoreFull():
            return DraftError("full")
        case StoreUnavailable():
            return DraftError("away")
    return DraftError("ours")


STOPPED: Final = DraftError("stopped")
"""The process that worked on the file ended, or fell silent."""
NO_FILE: Final = DraftError("no_file")
"""The file is not in this process's upload folder."""


@dataclass(slots=True)
class UploadDraft:
    """An uploaded file. ``fields`` are the form's; ``step`` is what goes on or ended last.

    In step ``settings`` the fields have ``problems``; in step ``questions`` the ``report`` has some; in step ``refused`` the
    ``error`` says why the file was not accepted; in step ``stopped`` its check waits for another process. ``preview`` is how
    the file is read, before its rows are counted, and ``fresh`` once it is of the present answers. ``version`` changes with
    every check, so that only what was shown is submitted; ``preview_of`` and ``report_of`` are those of the kept files.
    ``remembered`` when the columns are used as in an earlier file. A file of the ``purpose`` do_not_call has ``imported`` in
    step ``submitted``.
    """

    id: str
    folder: Annotated[Path, Field(exclude=True)]
    filename: str
    owner: str
    fields: dict[str, str]
    step: Step = "settings"
    version: str = ""
    problems: list[FieldProblem] = field(default_factory=list)
    answers: FileAnswers = field(default_factory=FileAnswers)
    remembered: bool = False
    fresh: bool = False
    rows: int = 0
    good: int = 0
    bad: int = 0
    share: float | None = None
    error: DraftError | None = None
    campaign: str = ""
    purpose: Purpose = "campaign"
    imported: DoNotCallImport | None = None
    preview_of: str = ""
    report_of: str = ""
    preview: Annotated[CheckReport | None, Field(exclude=True)] = None
    report: Annotated[CheckReport | None, Field(exclude=True)] = None

    @property
    def path(self) -> Path:
        """The file as it was uploaded."""
        return self.folder / f"{_FILE}{self.id}"

    @property
    def rejected_path(self) -> Path:
        """The rows that the check of this version rejected, as the check writes them."""
        return self._beside("rejected", self.report_of or self.version)

    def begin(self, step: Step) -> None:
        """Begins a step: another version, and nothing is read yet."""
        self.rows = self.good = self.bad = 0
        self.step, self.share, self.error = step, None, None
        self.version, self.fresh = secrets.token_hex(8), False
        if step == "checking":
            self.problems, self.report, self.report_of = [], None, ""

    def to_json(self) -> str:
        """The record, without what lies beside the file."""
        return json.dumps(_ADAPTER.dump_python(self, mode="json"))

    def save_preview(self) -> None:
        """Writes the preview of this version beside the file."""
        if self.preview is not None:
            self._write("preview", self.preview)
            self.preview_of = self.version

    def save_report(self) -> None:
        """Writes the report of this version beside the file."""
        if self.report is not None and not self.report_of:
            self._write("report", self.report)
            self.report_of = self.version

    def load_reports(self) -> None:
        """Reads preview and report. Raises FileNotFoundError when another check has just replaced them."""
        self.preview = self._read("preview", self.preview_of)
        self.report = self._read("report", self.report_of)

    def delete_other_versions(self) -> None:
        """Deletes what earlier checks of the file left."""
        kept = {self.version, self.preview_of, self.report_of}
        for path in self.folder.glob(f"{_FILE}{self.id}.*"):
            if path.name.split(".")[1] not in kept:
                _delete(path)

    def delete_version(self) -> None:
        """Deletes what this version wrote, because another one replaced it."""
        for path in self.folder.glob(f"{_FILE}{self.id}.{self.version}.*"):
            _delete(path)

    def _beside(self, kind: str, version: str) -> Path:
        return self.folder / f"{_FILE}{self.id}.{version}.{kind}"

    def _write(self, kind: str, report: CheckReport) -> None:
        # A cell may hold what no UTF-8 has.
        text = json.dumps(_REPORT.dump_python(report, mode="json"), ensure_ascii=False)
        path = self._beside(kind, self.version)
        hidden = path.with_suffix(".new")
        hidden.write_bytes(text.encode("utf-8", "replace"))
        hidden.replace(path)

    def _read(self, kind: str, version: str) -> CheckReport | None:
        return _REPORT.validate_json(self._beside(kind, version).read_bytes()) if version else None


_ADAPTER: Final = TypeAdapter(UploadDraft)
_REPORT: Final = TypeAdapter(CheckReport)


def draft_from_json(record: str, folder: Path) -> UploadDraft:
    """The draft of a record; its reports are read by :meth:`UploadDraft.load_reports`."""
    values: dict[str, Any] = json.loads(record)
    return _ADAPTER.validate_python(values | {"folder": folder})


def id_of(path: Path) -> str:
    """The id of the draft of an uploaded file."""
    return path.name.removeprefix(_FILE)


def is_id(text: str) -> bool:
    """Whether a draft may have this id, which is a part of its files' names."""
    return _ID.fullmatch(text) is not None


def delete_files(folder: Path, id: str) -> None:
    """Deletes the file of a draft and all that lies beside it."""
    for path in folder.glob(f"{_FILE}{id}*"):
        _delete(path)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
