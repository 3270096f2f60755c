"""Sends a workbook, which is written to disk whole before it begins to arrive."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..calls.threads import UPLOADS, WORK
from .context import app_context
from .responses import attachment
from .uploads import create_file

P = ParamSpec("P")

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class TemporaryFileResponse(FileResponse):
    """Sends a file and deletes it, also when the client disconnects before the end."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await UPLOADS.run(Path(self.path).unlink, missing_ok=True)


async def xlsx_download(
    request: Request,
    name: str,
    write: Callable[Concatenate[Path, P], object],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Response:
    """Returns an answer with the workbook that ``write`` puts at the path it gets first, to be saved as ``name``.

    Raises Refusal 503 for an upload folder that is full, and what ``write`` raises.
    """
    path = await UPLOADS.run(create_file, app_context(request).settings)
    try:
        await WORK.run(write, path, *args, **kwargs)
    except BaseException:
        await UPLOADS.run(path.unlink, missing_ok=True)
        raise
    return TemporaryFileResponse(path, media_type=XLSX_TYPE, headers=attachment(name, "xlsx"))
