"""An export that is read again says what the store says, row by row."""

import csv
from datetime import datetime
from pathlib import Path

import python_calamine
from campaign_harness import Harness, phone

from alodial.campaigns.exporting.results import OURS, values_of, write_csv, write_xlsx
from alodial.campaigns.formula_guard import unsafe_cell
from alodial.store.call_transitions import Claimed
from alodial.testing.redis_server import EmbeddedRedis

ROWS = 1200


def outcome(call: Claimed) -> str:
    return ("answered", "busy", "no_answer", "answered")[int(call.extid) % 4]


def test_both_forms_of_an_export_equal_the_store(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    harness = Harness(redis_server)
    rows = [{"phone": phone(n), "name": f"=cmd|' /C {n}", "reference": f"INV-{n}"} for n in range(ROWS)]
    campaign = harness.submit(rows, redial={"max_attempts": 2, "delays": {"busy": [60]}})
    harness.ring_all(outcome, talk=7, limit=ROWS // 2)
    columns = harness.front.get(campaign).columns
    kept = list(harness.front.rows(campaign))
    assert len(kept) == ROWS
    assert len({row.state for row in kept}) >= 3
    expected = [[*row.cells, *values_of(row)] for row in kept]
    write_csv(tmp_path / "out.csv", iter(kept), columns)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *lines = list(csv.reader(file))
    assert header == [*columns, *OURS]
    assert [[unsafe_cell(cell) for cell in line] for line in lines] == expected
    write_xlsx(tmp_path / "out.xlsx", iter(kept), columns)
    sheet = python_calamine.CalamineWorkbook.from_path(str(tmp_path / "out.xlsx")).get_sheet_by_index(0).to_python()
    assert sheet[0] == [*columns, *OURS]
    assert [[_text(cell) for cell in line] for line in sheet[1:]] == expected


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds") + "Z"
    return str(int(cell)) if isinstance(cell, float) else str(cell)
