"""Uploaded files that wait to be submitted, in one web process and in two."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alodial.campaigns.importing.row_check import CheckReport, Progress
from alodial.campaigns.row_codec import RowProblem
from alodial.errors import StoreUnavailable
from alodial.monitor.draft_record import BUSY, NO_FILE, STOPPED, Step, UploadDraft
from alodial.monitor.upload_drafts import DraftWork, UploadDrafts
from alodial.settings import Settings
from alodial.store import upload_drafts as records
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.store.upload_drafts import MAX_DRAFTS, MAX_OF_OWNER, IdleDraft, surplus

keys = Keys()

OWNER = "owner"


@pytest.fixture
def folder(settings: Settings) -> Path:
    settings.upload_folder.mkdir()
    return settings.upload_folder


@pytest.fixture
def processes(folder: Path, store: Store) -> Iterator[tuple[UploadDrafts, UploadDrafts]]:
    """The drafts of two web processes with one Redis and one folder."""
    both = UploadDrafts(store), UploadDrafts(store)
    for drafts in both:
        drafts.start()
    yield both
    for drafts in both:
        drafts.close()


def add(drafts: UploadDrafts, folder: Path, number: int = 1, owner: str = OWNER) -> UploadDraft:
    path = folder / f"upload-{number:024x}"
    path.write_text("phone\n")
    return drafts.add(path, "rows.csv", owner, {"name": "Debts"})


def seen(drafts: UploadDrafts, draft: UploadDraft) -> UploadDraft:
    shown = drafts.get(draft.id, OWNER)
    assert shown is not None
    return shown


def until(drafts: UploadDrafts, draft: UploadDraft, condition: Callable[[UploadDraft], object]) -> UploadDraft:
    """The draft as this process shows it, as soon as it is so."""
    deadline = time.monotonic() + 15
    while not condition(shown := seen(drafts, draft)):
        assert time.monotonic() < deadline, shown
        time.sleep(0.02)
    return shown


def finished(drafts: UploadDrafts, draft: UploadDraft) -> UploadDraft:
    return until(drafts, draft, lambda shown: shown.step not in BUSY)


class Endless:
    """Work that goes on until it is broken off."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, work: DraftWork) -> Step:
        while True:
            work.progressed(Progress(10, 9, 1, 50, 100))
            self.begun.set()
            time.sleep(0.001)


def checked(work: DraftWork) -> Step:
    """A check with a report and a rejected row that no UTF-8 can hold."""
    report = CheckReport(work.draft.filename, "csv", "utf-8", ";", None, {"phone": "Phone"}, ("Phone",), good=2, bad=1)
    report.problems.append(RowProblem(3, "Phone", "bad", "is \ud800", "correct it", "x", ("x", "\ud800")))
    work.draft.preview, work.draft.fresh, work.draft.report = report, True, report
    work.draft.rejected_path.write_text("[]\n")
    return "checked"


def test_two_processes_show_the_same_draft_and_its_report(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    here, there = processes
    draft = add(here, folder)
    assert here.work(seen(here, draft), "checking", checked)
    shown = finished(there, draft)
    assert (shown.step, shown.fields, shown.filename) == ("checked", {"name": "Debts"}, "rows.csv")
    assert shown.report is not None
    assert (shown.report.good, shown.report.problems[0].cells) == (2, ("x", "?"))
    assert shown.report == shown.preview
    assert shown.rejected_path.read_text() == "[]\n"
    assert there.get(draft.id, "somebody else") is None
    there.drop(shown)
    assert here.get(draft.id, OWNER) is None
    assert list(folder.iterdir()) == []


def test_another_process_shows_how_far_a_file_is_read_and_replaces_its_check(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    here, there = processes
    draft = add(here, folder)
    assert here.work(seen(here, draft), "checking", Endless())
    shown = until(there, draft, lambda shown: shown.rows == 10)
    assert (shown.step, shown.share) == ("checking", 0.5)
    assert not there.work(seen(there, draft), "submitting", checked)
    assert there.work(shown, "checking", checked)
    after = finished(here, draft)
    assert (after.step, after.error, after.good) == ("checked", None, 0)
    assert after.version != draft.version
    # What the first check wrote is gone as soon as its process has noticed.
    deadline = time.monotonic() + 15
    while len({path.name.split(".")[1] for path in folder.glob("upload-*.*")}) > 1 or here._work:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_two_submissions_of_what_was_shown_one_begins(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    here, there = processes
    draft = add(here, folder)
    first, second = seen(here, draft), seen(there, draft)
    assert here.work(first, "submitting", Endless())
    assert not there.work(second, "submitting", checked)
    assert not there.change(second)


def test_a_check_whose_process_ends_waits_for_the_next_and_a_submission_for_a_click(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    here, there = processes
    one, two, queued = (add(here, folder, number) for number in (1, 2, 3))
    reading, submitting = Endless(), Endless()
    assert here.work(seen(here, one), "checking", reading)
    assert here.work(seen(here, two), "submitting", submitting)
    assert here.work(seen(here, queued), "checking", checked)
    assert reading.begun.wait(15)
    assert submitting.begun.wait(15)
    here.close()
    assert [seen(there, draft).step for draft in (one, two, queued)] == ["stopped", "refused", "stopped"]
    assert seen(there, two).error == STOPPED
    assert there.work(seen(there, one), "checking", checked)
    assert finished(there, one).step == "checked"


def test_a_draft_whose_process_died_says_so_after_a_silence_and_can_be_checked_again(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path, store: Store
) -> None:
    here, there = processes
    here._beat.stop(5)
    draft = add(here, folder)
    endless = Endless()
    assert here.work(seen(here, draft), "checking", endless)
    assert 0 < store.redis.pttl(keys.draft_work(draft.id)) <= records.SILENT_MS
    assert seen(there, draft).step == "checking"
    store.redis.delete(keys.draft_work(draft.id))  # as Redis does after the silence
    shown = seen(there, draft)
    assert (shown.step, shown.error) == ("refused", STOPPED)
    assert there.work(shown, "checking", checked)
    assert finished(there, draft).step == "checked"


def test_what_goes_wrong_is_kept_for_the_page_and_can_be_tried_again(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    here, there = processes
    draft = add(here, folder)

    def away(work: DraftWork) -> Step:
        raise StoreUnavailable("Redis is not available")

    def broken(work: DraftWork) -> Step:
        raise KeyError("a fault of ours")

    for action, step, kind in ((away, "refused", "away"), (broken, "refused", "ours"), (checked, "checked", None)):
        assert here.work(seen(here, draft), "checking", action)
        shown = finished(there, draft)
        assert (shown.step, shown.error and shown.error.kind) == (step, kind)


def test_a_file_that_lies_on_another_server_is_said_to(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path
) -> None:
    draft = add(processes[0], folder)
    draft.path.unlink()
    shown = seen(processes[1], draft)
    assert (shown.step, shown.error) == ("refused", NO_FILE)


def test_the_files_of_drafts_that_ended_are_deleted_by_any_process(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path, store: Store
) -> None:
    here, there = processes
    draft, kept = add(here, folder, 1), add(here, folder, 2)
    assert 0 < store.redis.ttl(keys.upload_draft(draft.id)) <= records.IDLE_SECONDS
    store.redis.delete(keys.upload_draft(draft.id))  # as Redis does when nobody looked at it for so long
    there.tidy()
    assert [path.name for path in folder.iterdir()] == [kept.path.name]
    assert store.redis.hlen(keys.DRAFTS) == 1


def test_too_many_drafts_of_one_key_end_the_oldest_of_that_key_over_all_processes(
    processes: tuple[UploadDrafts, UploadDrafts], folder: Path, store: Store
) -> None:
    here, there = processes
    other = add(here, folder, 1, "other")
    store.redis.expire(keys.upload_draft(other.id), 60)
    first = add(here, folder, 2)
    store.redis.expire(keys.upload_draft(first.id), 60)
    for number in range(3, 3 + MAX_OF_OWNER):
        add(processes[number % 2], folder, number)
    assert here.get(first.id, OWNER) is None
    assert there.get(other.id, "other") is not None
    assert len(list(folder.iterdir())) == MAX_OF_OWNER + 1


def test_a_write_whose_answer_was_lost_may_be_repeated_and_an_older_one_changes_nothing(store: Store) -> None:
    def write(before: str, version: str, step: str = "checking") -> bool:
        work = step == "checking"
        return store.run(
            records.write("ab", before=before, owner="o", version=version, step=step, record="{}", in_work=work)
        )

    assert [write("", "1"), write("", "1"), write("1", "2"), write("1", "2")] == [True] * 4
    assert not write("1", "1", "checked")
    assert store.call(records.read, "ab") == records.StoredDraft("o", "2", "checking", "{}", in_work=True)
    assert store.call(records.forget, "ab")
    assert not store.call(records.forget, "ab")
    assert not write("2", "2", "checked")


def test_above_the_limit_of_all_the_key_with_the_most_loses_its_oldest() -> None:
    idle = [IdleDraft(f"{owner}{n}", owner, n) for owner, count in (("a", 9), ("b", 3)) for n in range(count)]
    assert surplus(idle, Counter(), limit=10) == ["a0", "a1"]
    assert surplus(idle, Counter({"b": 9}), limit=20) == ["b0", "b1"]
    assert surplus(idle, Counter(), limit=MAX_DRAFTS) == []
