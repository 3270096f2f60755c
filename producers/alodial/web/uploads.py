"""Receives an uploaded file: streamed to disk, bounded, under a name that the sender does not choose."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, NamedTuple

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from alodial_schemas import FieldProblem

from ..api_keys import ApiKey
from ..calls.threads import UPLOADS
from ..settings import Settings
from .auth import file_slot
from .body_limits import FILE_TYPES
from .client_presence import RequestWork, while_present
from .context import app_context
from .problems import RETRY_AFTER, Refusal
from .request_bodies import media_type

CHECK_BYTES = 16 << 20
"""After so many bytes of a file it is looked at whether the folder is full."""

MAX_FIELDS = 64
MAX_FIELD_BYTES = 256 * 1024
"""Of one field beside the file, such as a policy in JSON."""

DELETE_AFTER = 24 * 3600
"""Seconds after which the next upload deletes a file that is still there, for example after a crash."""


class _Writer:
    """Writes a file of the upload folder, within the bytes that all files there may take together. Blocks."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._file: IO[bytes] = path.open("r+b")
        self._folder = path.parent
        self._limit = settings.upload_max_bytes
        self._unchecked = 0

    def write(self, block: bytes) -> None:
        """Raises Refusal 503 when the folder or its disk is full."""
        self._unchecked += len(block)
        if self._unchecked >= CHECK_BYTES:
            self._unchecked = 0
            require_space(self._folder, self._limit)
        try:
            self._file.write(block)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _full() from None

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:
            raise _full() from None


class _Part(UploadFile):
    """A form's file, written where it stays, by the threads that write uploads."""

    def __init__(self, writer: _Writer, part: UploadFile) -> None:
        super().__init__(part.file, size=0, filename=part.filename, headers=part.headers)
        self._writer = writer

    async def write(self, data: bytes) -> None:
        await UPLOADS.run(self._writer.write, data)

    async def seek(self, offset: int) -> None:
        """Nothing is read from it here."""


class _FormParser(MultiPartParser):
    """Starlette's parser, which would first keep a file in the system's temporary folder: often memory."""

    def __init__(self, request: Request, writer: _Writer) -> None:
        super().__init__(
            request.headers, request.stream(), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
        self._writer = writer

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is not None:
            self._current_part.file = _Part(self._writer, self._current_part.file)


class Upload(NamedTuple):
    """A received file. The receiver deletes ``path``; ``filename`` is the sender's name for it, "" when no file came."""

    path: Path
    filename: str
    fields: dict[str, str]


async def receive_upload(request: Request) -> Upload:
    """Returns the file of a multipart form with its fields, or a body that is the file. Raises Refusal 400, 413, 415, 422."""
    kind = media_type(request)
    settings = app_context(request).settings
    path = await UPLOADS.run(create_file, settings)
    try:
        if kind == "multipart/form-data":
            return await _form(request, path, settings)
        if kind in FILE_TYPES:
            writer = await UPLOADS.run(_Writer, path, settings)
            try:
                async for block in request.stream():
                    await UPLOADS.run(writer.write, block)
            finally:
                await UPLOADS.run(writer.close)
            name = request.query_params.get("filename", "") or f"upload{FILE_TYPES[kind]}"
            return Upload(path, _base_name(name), {})
        detail = "Send multipart/form-data with the part `file`, or the file itself as text/csv, NDJSON or XLSX."
        raise Refusal(415, "unsupported_media_type", detail)
    except BaseException:
        await UPLOADS.run(path.unlink, missing_ok=True)
        raise


@contextlib.asynccontextmanager
async def received_upload(request: Request, api_key: ApiKey) -> AsyncIterator[tuple[Upload, RequestWork]]:
    """Yields the file of a request, which is deleted afterwards, and the work on it. Raises Refusal."""
    with file_slot(request, api_key):
        upload = await receive_upload(request)
        try:
            async with while_present(request, app_context(request).settings.file_cpu_seconds) as work:
                yield upload, work
        finally:
            await UPLOADS.run(upload.path.unlink, missing_ok=True)


def fields_beside(request: Request, upload: Upload) -> dict[str, str]:
    """Returns what came beside the file: the query's parameters and the form's fields, which win."""
    return {**dict(request.query_params), **upload.fields}


def create_file(settings: Settings) -> Path:
    """Returns a new empty file in the upload folder, and deletes old ones there. Blocks. Raises Refusal 503 when it is full."""
    folder = settings.upload_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - DELETE_AFTER
    for file in folder.glob("upload-*"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < oldest:
                file.unlink()
    require_space(folder, settings.upload_max_bytes)
    path = folder / f"upload-{secrets.token_hex(12)}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def require_space(folder: Path, limit: int) -> None:
    """Raises Refusal 503 when the files of the upload folder take ``limit`` bytes together. Blocks."""
    used = 0
    for file in folder.glob("upload-*"):
        with contextlib.suppress(OSError):
            used += file.stat().st_size
    if used >= limit:
        raise _full()


def _full() -> Refusal:
    headers = {"Retry-After": RETRY_AFTER, "Connection": "close"}
    detail = "Other uploaded files take all the room (ALODIAL_UPLOAD_MAX_BYTES, or the disk); send it again later."
    return Refusal(503, "overloaded", detail, headers=headers)


async def _form(request: Request, path: Path, settings: Settings) -> Upload:
    writer = await UPLOADS.run(_Writer, path, settings)
    try:
        form = await _FormParser(request, writer).parse()
    except MultiPartException as exc:
        raise _malformed(exc.message[:200]) from None
    except (FormParserError, UnicodeDecodeError, LookupError):
        raise _malformed("its parts or its charset are not understood") from None
    finally:
        await UPLOADS.run(writer.close)
    fields: dict[str, str] = {}
    filename = ""
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "file":
                    problem = FieldProblem(name[:64], "unknown_field", "is no part for a file", "call the part `file`")
                    raise Refusal(422, "invalid_request", "The form has a file under another name.", [problem])
                filename = _base_name(value.filename or "")
            else:
                fields[name] = value
    finally:
        await form.close()
    return Upload(path, filename, fields)


def _malformed(problem: str) -> Refusal:
    return Refusal(400, "malformed_form", f"The form cannot be read: {problem}")


def _base_name(name: str) -> str:
    """Returns the last part of a path, printable and at most 120 characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "_" for c in last)[:120]
