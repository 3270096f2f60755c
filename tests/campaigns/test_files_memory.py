"""Big files and bombs in flat memory, measured in a process of their own."""

import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from file_harness import MAIN, row, workbook, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the highest memory is told by Linux"),
]

MAX_MB = 150

_SCRIPT = """
import json, sys
from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files import SourceRow, open_source
def highest():
    # Of this program alone; getrusage counts what the process was before it became this program.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = highest()
good = bad = 0
refused = ""
try:
    for row in open_source(sys.argv[1]).rows():
        if isinstance(row, SourceRow):
            good += 1
        else:
            bad += 1
except BadFile as exc:
    refused = exc.code
peak = highest()
print(json.dumps({"good": good, "bad": bad, "refused": refused, "peak": peak >> 10, "grown": (peak - before) >> 10}))
"""


def _measured(path: Path) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(path)], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    assert int(str(found["peak"])) < MAX_MB
    return found


def _of_blocks(path: Path, part: str, *blocks: tuple[bytes, int]) -> Path:
    """A workbook in which one part is these blocks, each so many times over."""
    base = workbook(row(1, "Phone"), row(2, "405550001"))
    written(path.parent, base, "base.xlsx")
    with zipfile.ZipFile(path.parent / "base.xlsx") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        with new.open(part, "w", force_zip64=True) as file:
            for block, times in blocks:
                for _ in range(times):
                    file.write(block)
    return path


SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
_OPEN = f'<worksheet xmlns="{MAIN}"><sheetData>'.encode()


@pytest.mark.parametrize("kind", ["csv", "ndjson", "xlsx"])
def test_a_quarter_of_a_million_rows_take_no_more_memory_than_ten(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"big.{kind}"
    rows = 250_000
    if kind == "xlsx":
        cells = '<row r="{0}"><c r="A{0}"><v>{1}</v></c><c r="B{0}" t="inlineStr"><is><t>name {1}</t></is></c></row>'
        block = "".join(cells.format(number, 405_000_000 + number) for number in range(2, rows + 2)).encode()
        _of_blocks(
            path, SHEET, (_OPEN + row(1, "Phone", "Name").encode(), 1), (block, 1), (b"</sheetData></worksheet>", 1)
        )
    else:
        line = '{{"phone": "{0}", "name": "name {0}"}}\n' if kind == "ndjson" else "{0},name {0}\n"
        head = "" if kind == "ndjson" else "Phone,Name\n"
        path.write_text(head + "".join(line.format(405_000_000 + number) for number in range(rows)), encoding="utf-8")
    found = _measured(path)
    assert (found["good"], found["bad"], found["refused"]) == (rows, 0, "")
    assert int(str(found["grown"])) < 40


def test_a_million_shared_texts_are_kept_on_disk(tmp_path: Path) -> None:
    texts = "".join(f"<si><t>40{number:07d}</t></si>" for number in range(1_000_000)).encode()
    path = _of_blocks(tmp_path / "a.xlsx", STRINGS, (f'<sst xmlns="{MAIN}">'.encode(), 1), (texts, 1), (b"</sst>", 1))
    found = _measured(path)
    assert (found["good"], found["refused"]) == (1, "")
    assert int(str(found["grown"])) < 40


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        # 0.2 to 2 MB that unpack to 200 MB and more.
        (SHEET, [(_OPEN, 1), (b'<row r="1"><c r="A1"><v>1</v></c></row>' * 10_000, 600)]),
        (SHEET, [(b" " * 1_000_000, 300)]),
        (STRINGS, [(f'<sst xmlns="{MAIN}">'.encode(), 1), (b"<si><t>a</t></si>" * 50_000, 300)]),
        (STRINGS, [(f'<sst xmlns="{MAIN}"><si><t>'.encode(), 1), (b"a" * 1_000_000, 300)]),
    ],
)
def test_a_bomb_is_refused_in_flat_memory(part: str, blocks: list[tuple[bytes, int]], tmp_path: Path) -> None:
    path = _of_blocks(tmp_path / "a.xlsx", part, *blocks)
    assert path.stat().st_size < 3_000_000
    found = _measured(path)
    assert found["refused"] == "zip_bomb"
    assert int(str(found["grown"])) < 40


_NOISE = bytes(97 + byte % 26 for byte in random.Random(3).randbytes(1_000_000))
"""Letters that shrink badly enough to pass for an honest file."""


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        (SHEET, [(_OPEN + b'<row r="1"><c r="', 1), (_NOISE, 60), (b'"/></row></sheetData></worksheet>', 1)]),
        (SHEET, [(_OPEN + b"<!-- ", 1), (_NOISE, 60), (b" --></sheetData></worksheet>", 1)]),
        (SHEET, [(_OPEN, 1), (b"<" + _NOISE[:60_000] + b">", 2_000)]),
        ("xl/workbook.xml", [(b"<workbook ", 1), (_NOISE, 60)]),
    ],
)
def test_a_tag_without_an_end_is_refused_before_it_is_kept(
    part: str, blocks: list[tuple[bytes, int]], tmp_path: Path
) -> None:
    found = _measured(_of_blocks(tmp_path / "a.xlsx", part, *blocks))
    assert found["refused"] in ("zip_bomb", "broken_xlsx")
    assert int(str(found["grown"])) < 40


@pytest.mark.parametrize("tag", ["<t{0}/>", '<c t{0}="1"/>', '<c xmlns:t{0}="1"/>'])
@pytest.mark.parametrize("part", [SHEET, STRINGS])
def test_xml_of_ever_new_names_is_refused_since_the_parser_keeps_each(part: str, tag: str, tmp_path: Path) -> None:
    tags = "".join(tag.format(f"{number:06d}{'n' * 40}") for number in range(200_000)).encode()
    path = _of_blocks(tmp_path / "a.xlsx", part, (_OPEN, 1), (tags, 1), (b"</sheetData></worksheet>", 1))
    found = _measured(path)
    assert found["refused"] == "zip_bomb"
    assert int(str(found["grown"])) < 40


def test_a_cell_of_sixty_megabytes_is_one_bad_row(tmp_path: Path) -> None:
    blocks = [(_OPEN + row(1, "Phone").encode() + b'<row r="2"><c r="A2" t="str"><v>', 1), (_NOISE, 60)]
    end = (b"</v></c></row>" + row(3, "405550001").encode() + b"</sheetData></worksheet>", 1)
    found = _measured(_of_blocks(tmp_path / "a.xlsx", SHEET, *blocks, end))
    assert (found["good"], found["bad"], found["refused"]) == (1, 1, "")
    assert int(str(found["grown"])) < 40


@pytest.mark.parametrize("text", ["a", '"', "\n", '"a\n', ",", "\0"])
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_megabytes_of_one_thing_are_read_in_flat_memory(text: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    block = text.encode() * (1_000_000 // len(text))
    with path.open("wb") as file:
        file.write(b'{"phone": "405550001"}\n' if name.endswith("ndjson") else b"Phone,Name\n405550001,x\n")
        for _ in range(8):
            file.write(block)
    found = _measured(path)
    assert found["good"] in (0, 1) or text == '"a\n'
    assert int(str(found["grown"])) < 60
