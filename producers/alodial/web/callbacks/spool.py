"""Keeps callbacks on disk while Redis is away: segment files of text lines, synced before the 200.

A line is ``crc32 content-type body``, the CRC in hex over the rest and both texts in base64, so that each line can be
checked alone: a torn last line was never answered 200 and is ignored, a damaged one elsewhere is set aside and the lines
around it are read. A segment is locked (``flock``) by the process that owns it; the segments of a dead process are adopted.
"""

import base64
import binascii
import contextlib
import fcntl
import os
import secrets
import time
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ...store.inbox import RawResult

SEGMENT_BYTES = 16 * 1024 * 1024
"""A segment above this size gets no more lines, so that disk space is freed while a long outage is drained."""

ADOPT_EVERY = 10.0
"""Seconds between two searches for segments of dead processes."""

SUFFIX = ".spool"
HIDDEN = ".new"
"""The suffix of a segment that is not locked yet."""

DAMAGED = ".damaged"

HIDDEN_FOR = 60.0
"""Seconds after which a hidden segment belongs to a process that died before it had renamed it."""

log = structlog.get_logger("alodial.spool")


class SpoolFull(Exception):
    """The spool is at its limit, or its disk takes no more. None of the bodies was kept."""


@dataclass(slots=True)
class Segment:
    """One file. ``size`` counts the bytes of whole lines on disk, ``read`` those of them that were drained.

    ``set_aside`` holds the places of damaged lines that were kept apart; ``keep`` keeps the file when it is drained.
    """

    path: Path
    fd: int
    size: int
    read: int = 0
    set_aside: set[int] = field(default_factory=set)
    keep: bool = False

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)


@dataclass(frozen=True, slots=True)
class Head:
    """The oldest bodies in the spool: the lines of one segment up to ``end`` (bytes) that were not drained yet."""

    segment: Segment
    end: int
    items: list[RawResult]


def encode(item: RawResult) -> bytes:
    """Returns the line of one body, with its end."""
    rest = b"%b %b" % (base64.b64encode(item.content_type.encode("utf-8", "replace")), base64.b64encode(item.body))
    return b"%08x %b\n" % (zlib.crc32(rest), rest)


def decode(line: bytes) -> RawResult | None:
    """Returns the body of one line without its end; None when the line is damaged."""
    crc, _, rest = line.partition(b" ")
    kind, _, body = rest.partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(rest):
            return None
        return RawResult(
            base64.b64decode(body, validate=True), base64.b64decode(kind, validate=True).decode("utf-8", "replace")
        )
    except (ValueError, binascii.Error):
        return None


def unwritable(folder: Path, *, make: bool) -> str:
    """Returns why callbacks could not be kept in a folder, "" when they could. Writes a file there for a moment.

    A folder that does not exist is made, or without ``make`` looked at whether it could be.
    """
    try:
        if make:
            _make_folder(folder)
        elif not folder.exists():
            above = next(path for path in folder.absolute().parents if path.exists())
            can_make = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
            return "" if can_make else f"{folder} cannot be made in {above}"
        probe = folder / f"probe-{secrets.token_hex(6)}{HIDDEN}"
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"probe")
            os.fsync(fd)
        finally:
            os.close(fd)
            probe.unlink(missing_ok=True)
    except OSError as exc:
        return f"{folder}: {exc.strerror or type(exc).__name__}"
    return ""


class Spool:
    """A queue on disk. One thread at a time may call its methods.

    ``unread`` counts the bytes that were not drained yet; every thread may read it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max = max_bytes
        self._segments: deque[Segment] = deque()
        self._live: Segment | None = None
        self._looked = -ADOPT_EVERY
        self.unread = 0

    def adopt(self, *, now: bool = False) -> int:
        """Takes over the segments that no process holds and returns their bytes; without ``now`` every ADOPT_EVERY s."""
        if not now and time.monotonic() - self._looked < ADOPT_EVERY:
            return 0
        self._looked = time.monotonic()
        if not self._folder.is_dir():
            return 0
        self._forget_hidden()
        own = {segment.path for segment in self._segments}
        # A name begins with the time when it was made, so that the oldest is drained first.
        adopted = [s for path in sorted(self._folder.glob(f"*{SUFFIX}")) if path not in own and (s := self._open(path))]
        # They are older than the segments of this process, so they go first.
        self._segments.extendleft(reversed(adopted))
        size = sum(segment.size for segment in adopted)
        self.unread += size
        return size

    def _open(self, path: Path) -> Segment | None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as exc:
            log.error("spool.unreadable", segment=path.name, error=type(exc).__name__)
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink == 0:  # its owner drained it between our open and our lock
                raise BlockingIOError
        except OSError:
            os.close(fd)
            return None
        size = _whole(fd)
        if size == 0:
            path.unlink(missing_ok=True)
            os.close(fd)
            return None
        log.info("spool.adopted", segment=path.name, bytes=size)
        return Segment(path, fd, size)

    def _forget_hidden(self) -> None:
        """Deletes segments of processes that died before their first line: no name of theirs is ever adopted."""
        oldest = time.time() - HIDDEN_FOR
        for path in self._folder.glob(f"*{HIDDEN}"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def append(self, items: Sequence[RawResult]) -> None:
        """Appends bodies in order; they are on stable storage when this returns. Raises SpoolFull."""
        data = b"".join([encode(item) for item in items])
        try:
            if self._used() + len(data) > self._max:
                raise SpoolFull(f"the spool holds its {self._max} bytes (ALODIAL_SPOOL_MAX_BYTES)")
            live = self._live
            if live is None or live.size >= SEGMENT_BYTES:
                live = self._live = self._new()
            self._write(live, data)
        except OSError as exc:
            raise SpoolFull(f"the spool's disk does not take it ({exc.strerror or type(exc).__name__})") from None
        self.unread += len(data)

    def _used(self) -> int:
        """Returns the bytes of all segments in the folder, which several processes may share."""
        total = 0
        for path in self._folder.glob(f"*{SUFFIX}"):
            # Another process may have drained it since it was listed.
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def _new(self) -> Segment:
        _make_folder(self._folder)
        path = self._folder / f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}{SUFFIX}"
        # It is locked under a name that no process adopts, then renamed.
        hidden = path.with_suffix(HIDDEN)
        fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
            _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            for name in (hidden, path):
                with contextlib.suppress(OSError):
                    name.unlink(missing_ok=True)
            raise
        segment = Segment(path, fd, 0)
        self._segments.append(segment)
        return segment

    def _write(self, live: Segment, data: bytes) -> None:
        try:
            view, at = memoryview(data), live.size
            while view:
                written = os.pwrite(live.fd, view, at)
                view, at = view[written:], at + written
            os.fsync(live.fd)
        except OSError:
            # After a failed write or fsync the content behind `size` is unknown, so this file gets no more lines.
            self._live = None
            with contextlib.suppress(OSError):  # the first error says what is wrong
                os.ftruncate(live.fd, live.size)
            if live.size == 0:
                # Every failed write would leave a file and a descriptor, until there are none left.
                with contextlib.suppress(OSError):
                    self._remove(live)
            raise
        live.size += len(data)

    def head(self, *, count: int = 256, size: int = 1024 * 1024) -> Head | None:
        """Returns the oldest bodies: at least one line, at most ``count`` lines and about ``size`` bytes. None when empty."""
        while self._segments:
            segment = self._segments[0]
            if segment.read >= segment.size:
                self._remove(segment)
                continue
            data = os.pread(segment.fd, min(size, segment.size - segment.read), segment.read)
            while b"\n" not in data:  # a line is larger than what was read
                more = os.pread(segment.fd, size, segment.read + len(data))
                if not more:
                    break
                data += more
            lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)[:count]
            if not lines:
                log.error("spool.damaged", segment=segment.path.name)
                self.done(Head(segment, segment.size, []))
                continue
            end = segment.read + sum(map(len, lines))
            items, at = [], segment.read
            for line in lines:
                item = decode(line[:-1])
                if item is None:
                    self._set_aside(segment, at, line)
                else:
                    items.append(item)
                at += len(line)
            return Head(segment, end, items)
        return None

    def _set_aside(self, segment: Segment, at: int, line: bytes) -> None:
        """Keeps a damaged line in a file of its own, for a person to look at: once, however often it is read.

        It is read again while Redis stays away, and by the process that adopts the segment. Where the file cannot be
        written, the whole segment is kept instead, and the lines around this one go on their way.
        """
        if at in segment.set_aside:
            return
        segment.set_aside.add(at)
        aside = segment.path.with_suffix(DAMAGED)
        try:
            kept = aside.read_bytes() if aside.exists() else b""
            if kept.startswith(line) or b"\n" + line in kept:
                return
            with aside.open("ab") as out:
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
        except OSError as exc:
            segment.keep = True
            log.error("spool.damaged", segment=segment.path.name, bytes=len(line), error=type(exc).__name__)
            return
        log.error("spool.damaged", segment=segment.path.name, bytes=len(line))

    def done(self, head: Head) -> None:
        """Marks the bodies of a head as drained; removes the segment when all of it is."""
        self.unread -= head.end - head.segment.read
        head.segment.read = head.end
        if head.segment.read >= head.segment.size:
            self._remove(head.segment)

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        if self._live is segment:
            self._live = None
        try:
            if segment.keep:
                segment.path.rename(segment.path.with_suffix(f".whole{DAMAGED}"))
            else:
                segment.path.unlink(missing_ok=True)
        finally:
            os.close(segment.fd)

    def close(self) -> None:
        """Unlocks the segments, so that the next process can adopt them."""
        for segment in self._segments:
            os.close(segment.fd)
        self._segments.clear()
        self._live = None


def _make_folder(folder: Path) -> None:
    """Makes a folder, for the owner alone, and those above it. Their names survive a power failure like its files."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _whole(fd: int) -> int:
    """Returns the bytes up to the end of the last whole line."""
    end = os.fstat(fd).st_size
    step = 64 * 1024
    while end > 0:
        start = max(0, end - step)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
