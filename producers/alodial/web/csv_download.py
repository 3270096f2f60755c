"""Sends a CSV while it is made, from a blocking iterator in threads of its own."""

from collections.abc import AsyncIterator, Iterator

from starlette.responses import Response, StreamingResponse

from ..calls.threads import EXPORTS
from .responses import attachment


async def csv_download(blocks: Iterator[bytes], name: str) -> Response:
    """Returns an answer with these blocks, to be saved as ``name``.

    The first block is made before the answer begins: a store that is away is an answer 503 then, and not a file that breaks
    off. Raises what the iterator raises.
    """
    rows = EXPORTS.iterate(blocks)
    first: list[bytes] = await anext(rows, [])

    async def content() -> AsyncIterator[bytes]:
        for block in first:
            yield block
        async for [block] in rows:
            yield block

    return StreamingResponse(content(), media_type="text/csv; charset=utf-8", headers=attachment(name, "csv"))
