"""Uploaded files share a bounded room on the disk, and go nowhere else; what is read of a file is bounded too."""

import asyncio
import os
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files.xlsx_archive import RelationReader, open_archive
from alodial.campaigns.importing.files.xlsx_styles import shown_styles
from alodial.errors import InvalidCall
from alodial.settings import Settings
from alodial.web.problems import Refusal
from alodial.web.uploads import Upload, receive_upload
from alodial_schemas import field_problems, parse_call
from alodial_schemas.field_problems import limited_suggestions

MIB = 1024 * 1024


def receive(settings: Settings, kind: str, *blocks: bytes) -> Upload:
    """What the route gets of a request whose body comes in these blocks."""
    messages = [{"type": "http.request", "body": block, "more_body": True} for block in blocks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def run() -> Upload:
        left = iter(messages)

        async def next_message() -> Any:
            return next(left)

        app = SimpleNamespace(state=SimpleNamespace(context=SimpleNamespace(settings=settings)))
        scope = {"type": "http", "method": "POST", "path": "/v1/campaigns", "query_string": b"", "app": app}
        return await receive_upload(Request(scope | {"headers": [(b"content-type", kind.encode())]}, next_message))

    return asyncio.run(run())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, spool_dir=str(tmp_path), upload_max_bytes=20 * MIB)


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
FORM = "multipart/form-data; boundary=b"


def test_a_file_of_a_form_is_written_where_it_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", None)
    upload = receive(settings, FORM, HEAD, *[b"x" * MIB] * 3, b"\r\n--b--\r\n")
    assert upload.path.parent == Path(settings.spool_dir) / "uploads"
    assert (upload.filename, upload.path.stat().st_size) == ("a.csv", 3 * MIB)


@pytest.mark.parametrize(("kind", "head", "end"), [(FORM, HEAD, b"\r\n--b--\r\n"), ("text/csv", b"", b"")])
def test_all_uploaded_files_together_are_bounded(settings: Settings, kind: str, head: bytes, end: bytes) -> None:
    first = receive(settings, kind, head, *[b"x" * MIB] * 15, end)
    with pytest.raises(Refusal) as refused:
        receive(settings, kind, head, *[b"x" * MIB] * 40, end)
    assert (refused.value.status, refused.value.code) == (503, "overloaded")
    assert list(settings.upload_folder.iterdir()) == [first.path], "what was refused is deleted"
    os.truncate(first.path, 25 * MIB)
    with pytest.raises(Refusal):
        receive(settings, kind, head, b"x", end)
    first.path.unlink()
    receive(settings, kind, head, *[b"x" * MIB] * 15, end)


def _archive(path: Path, part: str, begin: str, element: str, end: str) -> Path:
    """A workbook's part of 1,500 elements with 60 kB in each, which packs well."""
    value = os.urandom(500).hex() * 60
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(part, "w") as out:
        out.write(begin.encode())
        for n in range(1500):
            out.write(element.format(n=n, value=value).encode())
        out.write(end.encode())
    return path


@pytest.mark.parametrize(
    ("part", "begin", "element", "end"),
    [
        ("xl/styles.xml", "<s><cellXfs>", '<xf numFmtId="{n}" other="{value}"/>', "</cellXfs></s>"),
        ("xl/styles.xml", "<s><numFmts>", '<numFmt numFmtId="{n}" formatCode="{value}"/>', "</numFmts></s>"),
        ("xl/_rels/workbook.xml.rels", "<r>", '<Relationship Id="{n}" Target="x" other="{value}"/>', "</r>"),
        ("xl/_rels/workbook.xml.rels", "<r>", '<Relationship Id="{n}" Target="{value}"/>', "</r>"),
    ],
)
def test_lists_of_a_workbook_take_little_memory(tmp_path: Path, part: str, begin: str, element: str, end: str) -> None:
    path = _archive(tmp_path / "a.xlsx", part, begin, element, end)
    tracemalloc.start()
    try:
        with open_archive(path) as archive:
            if "styles" in part:
                shown_styles(archive, part)
            else:
                RelationReader(archive, "xl/workbook.xml")
    except BadFile:
        pass  # a bomb, and refused
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 20 * MIB, "90 MB of attributes were read"


def test_names_are_compared_for_the_first_unknown_fields_only(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def spy(name: str, *_: object, **__: object) -> list[str]:
        compared.append(name)
        return []

    monkeypatch.setattr(field_problems, "get_close_matches", spy)
    body = {"callfrom": "712037006", "callto": ["994412860"]}
    with limited_suggestions(20):
        for row in range(100):
            with pytest.raises(InvalidCall) as refused:
                parse_call(body | {f"unknown{row}_{n}": 1 for n in range(45)})
            assert len(refused.value.problems) == 45
    assert len(compared) <= 20
    with pytest.raises(InvalidCall):
        parse_call(body | {f"other{n}": 1 for n in range(45)})
    assert len(compared) <= 23
