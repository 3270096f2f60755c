"""A file that comes in: streamed to disk, bounded, under a name of ours."""

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import IO, NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alodial_schemas import FieldProblem

from ..settings import Settings
from .context import app_context
from .problems import Refusal

BLOCK = 1 << 20
MAX_FIELDS = 64
MAX_FIELD = 256 * 1024
"""Bytes of one field beside the file, such as a policy in JSON."""

FORGOTTEN_AFTER = 24 * 3600
"""Seconds after which a file that nobody took away is deleted by the next upload."""

RAW = {
    "text/csv": ".csv",
    "application/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/x-ndjson": ".ndjson",
    "application/ndjson": ".ndjson",
    "application/jsonl": ".ndjson",
    "application/octet-stream": "",
}
"""Content types of a body that is the file itself."""


class Upload(NamedTuple):
    """``path`` is ours to delete; ``filename`` what the sender calls it, "" when no file came."""

    path: Path
    filename: str
    fields: dict[str, str]


async def receive_upload(request: Request) -> Upload:
    """The file of a multipart form with its fields, or a body that is the file. Raises Refusal 400, 413 or 415."""
    folder = Path(app_context(request).settings.upload_dir)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    path = await asyncio.to_thread(_place, folder)
    try:
        if kind == "multipart/form-data":
            return await _form(request, path)
        if kind in RAW:
            with await asyncio.to_thread(path.open, "wb") as file:
                async for block in request.stream():
                    await asyncio.to_thread(file.write, block)
            name = request.query_params.get("filename", "") or f"upload{RAW[kind]}"
            return Upload(path, _base(name), {})
        detail = "Send multipart/form-data with the part `file`, or the file itself as text/csv, NDJSON or XLSX."
        raise Refusal(415, "unsupported_media_type", detail)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


def place_file(settings: Settings) -> Path:
    """An empty file of ours in the upload folder."""
    return _place(Path(settings.upload_dir))


def _place(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = time.time() - FORGOTTEN_AFTER
    for one in folder.glob("upload-*"):
        try:
            if one.stat().st_mtime < old:
                one.unlink()
        except OSError:
            continue
    path = folder / f"upload-{secrets.token_hex(12)}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


async def _form(request: Request, path: Path) -> Upload:
    try:
        form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD)
    except HTTPException as exc:
        raise Refusal(400, "malformed_form", f"The form cannot be read: {str(exc.detail)[:200]}") from None
    fields: dict[str, str] = {}
    filename = ""
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "file":
                    wrong = FieldProblem(name[:64], "unknown_field", "is no part for a file", "call the part `file`")
                    raise Refusal(422, "invalid_request", "The form has a file under another name.", [wrong])
                filename = _base(value.filename or "")
                await asyncio.to_thread(_copy, value.file, path)
            else:
                fields[name] = value
    finally:
        await form.close()
    return Upload(path, filename, fields)


def _copy(source: IO[bytes], path: Path) -> None:
    source.seek(0)
    with path.open("wb") as file:
        while block := source.read(BLOCK):
            file.write(block)


def _base(name: str) -> str:
    """A file's own name without folders, printable and short."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "_" for c in last)[:120]
