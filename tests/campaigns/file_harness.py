"""Writes files for the tests, reads them and checks them."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alodial.campaigns.importing.columns import Columns, read_columns
from alodial.campaigns.importing.files import SourceRow, open_source
from alodial.campaigns.importing.questions import OpenQuestions, require_answers
from alodial.campaigns.importing.row_check import CheckReport, RowChecker
from alodial.campaigns.row_codec import RowProblem
from alodial.settings import Settings
from alodial_schemas.campaigns import parse_campaign

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass
class Read:
    columns: tuple[str, ...]
    rows: list[SourceRow | RowProblem]

    @property
    def cells(self) -> list[tuple[str, ...]]:
        return [row.cells for row in self.rows if isinstance(row, SourceRow)]

    @property
    def numbers(self) -> list[int]:
        return [row.number for row in self.rows]

    @property
    def faults(self) -> list[tuple[int, str]]:
        return [(row.number, row.code) for row in self.rows if isinstance(row, RowProblem)]


def written(folder: Path, content: bytes | str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> Read:
    source = open_source(path)
    return Read(source.columns, list(source.rows()))


def checked(path: Path, mapping: Mapping[str, str] | None = None, **call: object) -> CheckReport:
    """The file's report for a two-way campaign. Raises OpenQuestions where it has any."""
    report = asked(path, {"columns": dict(mapping or {})}, **call)
    require_answers(report.questions)
    return report


def asked(path: Path, answers: Mapping[str, object] | None = None, **call: object) -> CheckReport:
    """The file's report for a two-way campaign with these fields, which may have open questions."""
    body = {"name": "t", "call": {"kind": "two-way", "callfrom": "712037006", **call}, **(answers or {})}
    if body["call"]["callfrom"] is None:  # type: ignore[index]  # a dict of one depth more
        del body["call"]["callfrom"]  # type: ignore[attr-defined]  # as above
    request = parse_campaign(body)
    checker = RowChecker(
        open_source(path), request, Settings(_env_file=None), suppressed=lambda numbers: [False] * len(numbers)
    )
    for _ in checker.chunks(500):
        pass
    return checker.report


def row(number: int, *cells: str) -> str:
    """A row of inline texts; a cell that begins with "<" is taken as it is."""
    made = [
        cell if cell.startswith("<") else f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        for at, cell in enumerate(cells)
    ]
    return f'<row r="{number}">{"".join(made)}</row>'


def workbook(
    *rows: str,
    strings: Iterable[str] = (),
    styles: str = "",
    head: str = "",
    more: Mapping[str, bytes | str] | None = None,
    sheets: Mapping[str, str] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """An XLSX of one sheet of these rows, or of ``sheets``: attributes of the sheet -> its rows."""
    out = io.BytesIO()
    many = dict(sheets or {'name="Sheet1"': "".join(rows)})
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(
            f'<sheet {attributes} sheetId="{at}" r:id="rId{at}"/>' for at, attributes in enumerate(many, 1)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{head}<sheets>{listed}</sheets></workbook>',
        )
        relations = "".join(
            f'<Relationship Id="rId{at}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
            for at in range(1, len(many) + 1)
        )
        for kind in ("sharedStrings", "styles"):
            relations += f'<Relationship Id="{kind}" Type="{OFFICE}/{kind}" Target="{kind}.xml"/>'
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>')
        texts = "".join(f"<si><t>{text}</t></si>" for text in strings)
        extra = dict(more or {})
        extra.setdefault("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{texts}</sst>')
        extra.setdefault("xl/styles.xml", f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>')
        for at, content in enumerate(many.values(), 1):
            extra.setdefault(
                f"xl/worksheets/sheet{at}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{content}</sheetData></worksheet>',
            )
        for name, content in extra.items():
            archive.writestr(name, content)
    return out.getvalue()


def map_columns(names: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """The columns of a file with these names, of which nothing else is known. Raises OpenQuestions where it has a question."""
    reading = read_columns(names, mapping=mapping)
    if reading.questions:
        raise OpenQuestions(reading.questions)
    return reading.columns


def as_text(value: object) -> str:
    """A cell that another reader has read, written as ours are."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else f"{value:.15g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == datetime.min.time() else f"{value:%Y-%m-%d %H:%M}"
    return str(value)
