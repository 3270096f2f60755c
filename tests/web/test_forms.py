"""Forms that do not parse are the sender's error everywhere, whichever Starlette is installed."""

import asyncio
from typing import Any

import pytest
from python_multipart.exceptions import MultipartParseError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from alodial.web.request_bodies import MalformedBody, read_alovoice, read_form
from monitor.client import Operator

from .conftest import API_KEY, Web

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
BROKEN = [
    b"x",
    b"--b",
    b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: form-data; name=a\r\nx\r\n\r\n1\r\n--b--\r\n",
    b"--b\r\n\r\n--c--\r\n",
]


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_form_is_refused_by_every_page_that_reads_forms(web: Web, body: bytes) -> None:
    operator = Operator(web)
    campaign = web.http.post("/v1/campaigns", content=body, headers=MULTIPART)
    assert campaign.status_code in {400, 422}
    assert web.http.post(f"/requestcall/{API_KEY}", content=body, headers=MULTIPART).status_code == 400
    for page in ("/sign-in", "/stop", "/campaigns/new"):
        assert operator.http.post(page, content=body, headers=MULTIPART).status_code in {400, 403}


@pytest.mark.parametrize(
    "error", [MultipartParseError("at byte 7"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), LookupError("charset")]
)
def test_an_error_of_the_parser_that_starlette_lets_through_is_400(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def form(*_: Any, **__: Any) -> None:
        raise error

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x"}

    monkeypatch.setattr(Request, "form", form)
    request = Request({"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=b")]}, receive)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(read_form(request, max_files=1, max_fields=1))
    assert refused.value.status_code == 400
    with pytest.raises(MalformedBody):
        asyncio.run(read_alovoice(request))
