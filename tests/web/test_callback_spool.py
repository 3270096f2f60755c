"""The spool on disk by itself."""

import os
from pathlib import Path

import pytest

from alodial.store.inbox import RawResult
from alodial.web.callbacks import spool as module
from alodial.web.callbacks.spool import Spool, SpoolFull, decode, encode, unwritable

MANY = [RawResult(b"body %d" % n, f"type/{n}") for n in range(10)]


def drained(spool: Spool, **bounds: int) -> list[RawResult]:
    items: list[RawResult] = []
    while (head := spool.head(**bounds)) is not None:
        items += head.items
        spool.done(head)
    return items


def test_what_was_put_in_comes_out_in_order_and_the_file_is_gone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY[:6])
    spool.append(MANY[6:])
    assert spool.unread > 0
    assert drained(spool, count=3) == MANY
    assert spool.unread == 0
    assert list(tmp_path.iterdir()) == []


def test_new_bodies_go_behind_those_that_wait(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY[:4])
    head = spool.head(count=2)
    assert head is not None
    spool.done(head)
    spool.append(MANY[4:])
    assert head.items + drained(spool) == MANY


def test_bodies_larger_than_a_piece_are_read_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 22)
    large = [RawResult(os.urandom(200_000), "a"), RawResult(b"", ""), RawResult(os.urandom(1000), "ё")]
    spool.append(large)
    assert drained(spool, size=1024) == large


def test_the_next_process_adopts_what_a_dead_one_left_before_its_own(tmp_path: Path) -> None:
    dead = Spool(tmp_path, 1 << 20)
    dead.append(MANY[:5])
    dead.close()
    spool = Spool(tmp_path, 1 << 20)
    assert spool.adopt() == dead.unread
    spool.append(MANY[5:])
    assert drained(spool) == MANY


def test_the_segment_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    living, other = Spool(tmp_path, 1 << 20), Spool(tmp_path, 1 << 20)
    living.append(MANY)
    assert other.adopt() == 0
    assert other.head() is None
    assert drained(living) == MANY


@pytest.mark.parametrize("torn", [1, 7, 20])
def test_a_torn_tail_is_ignored(tmp_path: Path, torn: int) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY)
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    path.write_bytes(path.read_bytes() + encode(MANY[0])[:torn])
    again = Spool(tmp_path, 1 << 20)
    again.adopt()
    assert drained(again) == MANY


def test_a_damaged_line_is_set_aside_and_its_neighbours_are_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY)
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[3][:12] + b"\x00" + lines[3][13:]
    path.write_bytes(b"".join([*lines[:3], damaged, *lines[4:]]))
    again = Spool(tmp_path, 1 << 20)
    again.adopt()
    assert drained(again) == MANY[:3] + MANY[4:]
    (aside,) = tmp_path.iterdir()
    assert aside.suffix == ".damaged"
    assert aside.read_bytes() == damaged


@pytest.mark.parametrize("line", [b"", b" ", b"zz a b", b"00000000 YQ== YQ==", b"\xff\xfe"])
def test_a_malformed_line_is_recognised_as_damaged(line: bytes) -> None:
    assert decode(line) is None


def test_above_its_bound_it_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 200)
    spool.append(MANY[:3])
    with pytest.raises(SpoolFull, match="ALODIAL_SPOOL_MAX_BYTES"):
        spool.append(MANY)
    assert drained(spool) == MANY[:3]
    spool.append(MANY[3:5])
    assert drained(spool) == MANY[3:5]


def test_a_write_that_fails_half_way_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY[:2])

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(module.os, "fsync", full)
        with pytest.raises(SpoolFull, match="No space"):
            spool.append(MANY[2:4])
    spool.append(MANY[4:6])
    assert drained(spool) == MANY[:2] + MANY[4:6]
    assert list(tmp_path.iterdir()) == []


def test_a_long_outage_fills_several_files_and_each_goes_when_it_is_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    spool = Spool(tmp_path, 1 << 20)
    for item in MANY:
        spool.append([item])
    files = len(list(tmp_path.iterdir()))
    assert files > 2
    head = spool.head()
    assert head is not None
    spool.done(head)
    assert len(list(tmp_path.iterdir())) == files - 1
    assert head.items + drained(spool) == MANY


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new", 1 << 20)
    spool.append(MANY)
    (path,) = (tmp_path / "new").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def damaged_spool(folder: Path) -> tuple[Spool, bytes]:
    """A spool with one damaged line among ten, adopted by a new process, and that line."""
    spool = Spool(folder, 1 << 20)
    spool.append(MANY)
    spool.close()
    (path,) = folder.glob("*.spool")
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[3][:12] + b"\x00" + lines[3][13:]
    path.write_bytes(b"".join([*lines[:3], damaged, *lines[4:]]))
    again = Spool(folder, 1 << 20)
    again.adopt()
    return again, damaged


def test_a_damaged_line_is_set_aside_once_however_often_it_is_read(tmp_path: Path) -> None:
    spool, damaged = damaged_spool(tmp_path)
    for _ in range(5):  # Redis is away: the same lines are read again and again
        assert spool.head() is not None
    spool.close()
    adopting = Spool(tmp_path, 1 << 20)
    adopting.adopt()
    assert drained(adopting) == MANY[:3] + MANY[4:]
    (aside,) = tmp_path.iterdir()
    assert aside.read_bytes() == damaged


def test_a_damaged_line_that_cannot_be_set_aside_keeps_its_file_and_stops_no_other(tmp_path: Path) -> None:
    spool, damaged = damaged_spool(tmp_path)
    (path,) = tmp_path.glob("*.spool")
    path.with_suffix(".damaged").mkdir()
    assert drained(spool) == MANY[:3] + MANY[4:]
    (kept,) = tmp_path.glob("*.whole.damaged")
    assert damaged in kept.read_bytes()


def test_a_disk_that_takes_nothing_costs_no_descriptors_and_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, 1 << 20)
    spool.append(MANY[:1])

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = len(os.listdir("/proc/self/fd"))
    for name in ("pwrite", "ftruncate", "fsync"):
        with monkeypatch.context() as broken:
            broken.setattr(module.os, name, full)
            if name == "ftruncate":
                broken.setattr(module.os, "pwrite", full)
            for _ in range(50):
                with pytest.raises(SpoolFull, match="No space"):
                    spool.append(MANY[1:3])
    assert len(os.listdir("/proc/self/fd")) - before <= 1
    assert len(list(tmp_path.iterdir())) == 1
    assert drained(spool) == MANY[:1]


def test_the_names_of_the_folder_and_of_its_files_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure a file is there only if its folder's entry was synced, and the folder if its parent's was."""
    synced: list[Path] = []
    real = os.fsync

    def seen(fd: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")))
        real(fd)

    monkeypatch.setattr(module.os, "fsync", seen)
    folder = tmp_path / "var" / "spool"
    spool = Spool(folder, 1 << 20)
    spool.append(MANY[:1])
    (path,) = folder.iterdir()
    assert synced == [tmp_path, tmp_path / "var", folder, path]


def test_what_a_process_left_that_died_before_its_first_line_is_deleted(tmp_path: Path) -> None:
    old, young = tmp_path / "0000000000001-aa.new", tmp_path / "9999999999999-bb.new"
    for path in (old, young):
        path.touch()
    os.utime(old, (1, 1))
    Spool(tmp_path, 1 << 20).adopt()
    assert list(tmp_path.iterdir()) == [young]


def test_a_folder_that_cannot_be_written_is_named_before_it_is_needed(tmp_path: Path) -> None:
    assert unwritable(tmp_path / "new" / "spool", make=False) == ""
    assert not (tmp_path / "new").exists()
    assert unwritable(tmp_path / "new" / "spool", make=True) == ""
    assert list((tmp_path / "new" / "spool").iterdir()) == []
    (tmp_path / "file").touch()
    assert "Not a directory" in unwritable(tmp_path / "file", make=True)
    assert unwritable(tmp_path / "file" / "spool", make=False)
    assert "Not a directory" in unwritable(tmp_path / "file", make=False)
