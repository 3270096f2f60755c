"""Uploaded files that wait to be submitted."""

import threading
import time
from pathlib import Path

import pytest

from alodial.campaigns.importing.row_check import Progress
from alodial.errors import StoreUnavailable
from alodial.monitor import upload_drafts as module
from alodial.monitor.upload_drafts import Step, UploadDraft, UploadDrafts


def add(drafts: UploadDrafts, folder: Path, number: int) -> UploadDraft:
    path = folder / f"upload-{number}"
    path.write_text("phone\n")
    return drafts.add(path, "rows.csv", "owner", {})


def finished(draft: UploadDraft) -> None:
    deadline = time.monotonic() + 10
    while draft.step in module.BUSY:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_uploads_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DRAFTS", 3)
    drafts = UploadDrafts()
    made = [add(drafts, tmp_path, number) for number in range(5)]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["upload-2", "upload-3", "upload-4"]
    assert drafts.get(made[0].id, "owner") is None
    assert drafts.get(made[4].id, "owner") is made[4]
    drafts.close()
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_file_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = UploadDrafts()
    first = add(drafts, tmp_path, 1)
    monkeypatch.setattr(module, "IDLE_SECONDS", -1.0)
    add(drafts, tmp_path, 2)
    assert drafts.get(first.id, "owner") is None
    drafts.close()


def test_what_goes_wrong_is_kept_for_the_page_and_can_be_tried_again(tmp_path: Path) -> None:
    drafts = UploadDrafts()
    draft = add(drafts, tmp_path, 1)

    def away() -> Step:
        raise StoreUnavailable("Redis is not available")

    def broken() -> Step:
        raise KeyError("a fault of ours")

    def good() -> Step:
        return "checked"

    for todo, step in ((away, "refused"), (broken, "refused"), (good, "checked")):
        assert drafts.work(draft, "checking", todo)
        finished(draft)
        assert draft.step == step
        assert (draft.error is None) == (step == "checked")
    drafts.close()


def test_a_file_is_read_by_one_at_a_time_and_broken_off_when_the_process_ends(tmp_path: Path) -> None:
    drafts = UploadDrafts()
    draft = add(drafts, tmp_path, 1)
    begun = threading.Event()

    def endless() -> Step:
        while True:
            draft.progressed(Progress(10, 9, 1, 50, 100))
            begun.set()
            time.sleep(0.001)

    assert drafts.work(draft, "checking", endless)
    assert begun.wait(10)
    assert (draft.rows, draft.share) == (10, 0.5)
    assert not drafts.work(draft, "submitting", endless)
    drafts.close()
    assert draft.step == "refused"
    assert list(tmp_path.iterdir()) == []


def test_other_answers_replace_a_check_that_is_running_and_nothing_is_submitted_meanwhile(tmp_path: Path) -> None:
    drafts = UploadDrafts()
    draft = add(drafts, tmp_path, 1)
    begun = threading.Event()

    def endless() -> Step:
        while True:
            draft.progressed(Progress(10, 9, 1, 50, 100))
            begun.set()
            time.sleep(0.001)

    def replacing() -> Step:
        draft.progressed(Progress(3, 2, 1, 10, 100))
        return "checked"

    assert drafts.work(draft, "checking", endless)
    assert begun.wait(10)
    before = draft.version
    assert not drafts.work(draft, "submitting", replacing)
    assert drafts.work(draft, "checking", replacing)
    finished(draft)
    assert (draft.step, draft.good, draft.error) == ("checked", 2, None)
    assert draft.version != before
    drafts.close()
