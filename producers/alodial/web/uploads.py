"""Receives an uploaded file: streamed to disk, bounded, under a name that the sender does not choose."""

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import IO, NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alodial_schemas import FieldProblem

from ..calls.threads import UPLOADS
from ..settings import Settings
from .context import app_context
from .problems import Refusal
from .request_bodies import media_type, read_form

BLOCK_BYTES = 1 << 20
MAX_FIELDS = 64
MAX_FIELD_BYTES = 256 * 1024
"""Of one field beside the file, such as a policy in JSON."""

DELETE_AFTER = 24 * 3600
"""Seconds after which the next upload deletes a file that is still there, for example after a crash."""

FILE_TYPES = {
    "text/csv": ".csv",
    "application/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/x-ndjson": ".ndjson",
    "application/ndjson": ".ndjson",
    "application/jsonl": ".ndjson",
    "application/octet-stream": "",
}
"""Content types of a body that is the file itself, with the file's suffix."""


class Upload(NamedTuple):
    """A received file. The receiver deletes ``path``; ``filename`` is the sender's name for it, "" when no file came."""

    path: Path
    filename: str
    fields: dict[str, str]


async def receive_upload(request: Request) -> Upload:
    """Returns the file of a multipart form with its fields, or a body that is the file. Raises Refusal 400, 413, 415, 422."""
    kind = media_type(request)
    path = await UPLOADS.run(create_file, app_context(request).settings)
    try:
        if kind == "multipart/form-data":
            return await _form(request, path)
        if kind in FILE_TYPES:
            with await UPLOADS.run(path.open, "wb") as file:
                async for block in request.stream():
                    await UPLOADS.run(file.write, block)
            name = request.query_params.get("filename", "") or f"upload{FILE_TYPES[kind]}"
            return Upload(path, _base_name(name), {})
        detail = "Send multipart/form-data with the part `file`, or the file itself as text/csv, NDJSON or XLSX."
        raise Refusal(415, "unsupported_media_type", detail)
    except BaseException:
        await UPLOADS.run(path.unlink, missing_ok=True)
        raise


def create_file(settings: Settings) -> Path:
    """Returns a new empty file in the upload folder, and deletes old ones there. Blocks."""
    folder = Path(settings.upload_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - DELETE_AFTER
    for file in folder.glob("upload-*"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < oldest:
                file.unlink()
    path = folder / f"upload-{secrets.token_hex(12)}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


async def _form(request: Request, path: Path) -> Upload:
    try:
        form = await read_form(request, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except HTTPException as exc:
        raise Refusal(400, "malformed_form", f"The form cannot be read: {str(exc.detail)[:200]}") from None
    fields: dict[str, str] = {}
    filename = ""
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "file":
                    problem = FieldProblem(name[:64], "unknown_field", "is no part for a file", "call the part `file`")
                    raise Refusal(422, "invalid_request", "The form has a file under another name.", [problem])
                filename = _base_name(value.filename or "")
                await UPLOADS.run(_copy, value.file, path)
            else:
                fields[name] = value
    finally:
        await form.close()
    return Upload(path, filename, fields)


def _copy(source: IO[bytes], path: Path) -> None:
    source.seek(0)
    with path.open("wb") as file:
        while block := source.read(BLOCK_BYTES):
            file.write(block)


def _base_name(name: str) -> str:
    """Returns the last part of a path, printable and at most 120 characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "_" for c in last)[:120]
