"""Rows of a file as calls: what is taken, what is not, and that nothing is left out of the count."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from alodial.campaigns.check import Judge
from alodial.campaigns.duplicates import Seen
from alodial.campaigns.errors_out import ErrorsOut
from alodial.campaigns.expand import Expander, make_body
from alodial.campaigns.files import open_source
from alodial.campaigns.pack import CHUNK_ROWS, RowProblem, RowSpec, pack, pack_problems, unpack, unpack_problems
from alodial.settings import Settings
from alodial_schemas import IvrCall, Phone, Queue, TwoWayCall, body_json, extid_of
from alodial_schemas.campaigns import CampaignRequest, parse_campaign

TWO_WAY = parse_campaign({"name": "n", "call": {"callfrom": "712037006"}})
PLAIN = Settings(_env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own


def judge(
    path: Path, request: CampaignRequest = TWO_WAY, listed: frozenset[str] = frozenset()
) -> tuple[Judge, list[Any]]:
    made = Judge(open_source(path), request, PLAIN, suppressed=lambda numbers: [n in listed for n in numbers])
    return made, [row for rows, _ in made.chunks(CHUNK_ROWS) for row in rows]


def written(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


CELLS = st.one_of(
    st.sampled_from(
        [
            "994412860",
            "+998 99 441-28-60",
            "977076909",
            "=1+1",
            "9.98901E+11",
            "112",
            "",
            "12",
            "994412860, 977076909",
            "+79031234567",
        ]
    ),
    st.text(max_size=20),
)


@with_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=40))
def test_good_bad_duplicate_and_suppressed_rows_are_all_the_rows(
    tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    path = written(tmp_path, ("Phone", "Language", "Name"), *rows)
    made, good = judge(path, listed=frozenset({"+998977076909"}))
    report = made.report
    assert report.rows == sum(1 for _ in open_source(path).rows())
    assert report.good == len(good)
    assert sum(report.by_code.values()) == report.rows - report.good
    numbers = [spec.to[0] for _, spec, _ in good]
    assert len(numbers) == len(set(numbers))
    assert "+998977076909" not in {number for _, spec, _ in good for number in spec.to}


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("=1+1", "formula"),
        ("9.98901E+11", "phone_scientific"),
        ("9,98901E+11", "phone_scientific"),
        ("", "phone_missing"),
        ("+79031234567", "phone_not_allowed"),
        ("994412860", ""),
        ("'+998994412860", ""),
        ("+998 (99) 441-28-60", ""),
    ],
)
def test_a_phone_cell_is_a_phone_or_says_what_it_is(tmp_path: Path, cell: str, code: str) -> None:
    made, good = judge(written(tmp_path, ("Phone", "Name"), (cell, "x")))
    if code:
        assert [problem.code for problem in made.report.problems] == [code]
        assert made.report.problems[0].number == 2
        assert made.report.problems[0].remedy
    else:
        assert [spec.to for _, spec, _ in good] == [("+998994412860",)]


def test_what_a_row_says_beside_its_phone_goes_into_its_call(tmp_path: Path) -> None:
    header = ("Телефон", "Телефон 2", "Язык", "Номер заказа", "Действует до", "metadata:shop")
    path = written(tmp_path, header, ("994412860", "977076909", "узбекский", "INV-17", "31.12.2026", "12"))
    _, good = judge(path)
    spec = good[0][1]
    assert spec.to == ("+998994412860", "+998977076909")
    assert (spec.lang, spec.reference, spec.metadata) == ("uz", "INV-17", {"shop": "12"})
    assert spec.expires_at == 1798743599000  # the end of that day in Tashkent


@pytest.mark.parametrize(
    ("call", "spec", "single"),
    [
        (
            {"callfrom": "712037006", "lang": "ru"},
            RowSpec(("+998994412860", "+998977076909"), "uz"),
            TwoWayCall(
                callfrom="712037006", callto=[Phone(phone="994412860", lang="uz"), Phone(phone="977076909", lang="uz")]
            ),
        ),
        (
            {"kind": "queue", "queue": "6000"},
            RowSpec(("+998994412860",)),
            TwoWayCall(callfrom="994412860", callto=[Queue(queue="6000")]),
        ),
        (
            {"kind": "ivr", "ivrid": 222, "fromline": "712037006"},
            RowSpec(("+998994412860",)),
            IvrCall(callto="994412860", ivrid=222, fromline="712037006"),
        ),
    ],
)
def test_a_rows_call_is_written_as_a_single_one_is(call: dict[str, Any], spec: RowSpec, single: Any) -> None:
    assert make_body(spec, parse_campaign({"name": "n", "call": call})) == body_json(single)


def test_a_row_has_the_same_ids_whenever_they_are_asked_for_and_the_id_carries_the_extid() -> None:
    expander = Expander(TWO_WAY, seed=b"s" * 16, made_ms=1_795_420_000_000, total=2, latest_ms=5)
    row = unpack(pack([(2, RowSpec(("+998994412860",), expires_at=9), ("994412860",))]))[0]
    first, again = expander.expand(0, row), expander.expand(0, row)
    assert first == again
    assert extid_of(first.id) == first.extid
    assert first.expires_at == 5
    assert len({first.extid, first.other_extid, expander.expand(1, row).extid}) == 3


def test_packed_rows_come_back_whole_and_are_small() -> None:
    rows = [
        (
            n + 2,
            RowSpec((f"+99890{n:07d}",), reference=f"INV-{n}"),
            (f"90{n:07d}", f"INV-{n}", "Karimov A.", str(n * 7919 % 100_000)),
        )
        for n in range(CHUNK_ROWS)
    ]
    blob = pack(rows)
    assert [tuple(row) for row in unpack(blob)] == rows
    assert len(blob) / CHUNK_ROWS < 100
    assert pack(rows) == blob
    problem = RowProblem(7, "Phone", "formula", "is a formula", "paste values", "=1", ("=1", "x"))
    assert unpack_problems(pack_problems([problem])) == [problem]


def test_the_content_of_a_file_is_the_same_in_whatever_order_and_encoding(tmp_path: Path) -> None:
    rows = [(f"90{n:07d}", f"Имя {n}") for n in range(50)]
    one, _ = judge(written(tmp_path, ("Телефон", "Имя"), *rows))
    other = tmp_path / "other.csv"
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([("Телефон", "Имя"), *reversed(rows)])
    other.write_bytes(text.getvalue().encode("cp1251"))
    again, _ = judge(other)
    fewer, _ = judge(written(tmp_path, ("Телефон", "Имя"), *rows[1:]))
    assert one.report.content == again.report.content != fewer.report.content


def test_rows_written_back_with_their_reasons_are_understood_when_they_are_mended(tmp_path: Path) -> None:
    source = open_source(written(tmp_path, ("Phone", "Note"), ("=1+1", "@x"), ("12", "plain")))
    out = io.BytesIO()
    errors = ErrorsOut(out, source.columns)
    made = Judge(source, TWO_WAY, PLAIN, suppressed=lambda n: [False] * len(n), on_problem=errors.add)
    list(made.chunks(CHUNK_ROWS))
    errors.close()
    text = out.getvalue().decode("utf-8-sig")
    assert "\n=" not in text
    mended = tmp_path / "mended.csv"
    mended.write_text(text.replace("'=1+1", "994412860").replace("\n12,", "\n977076909,"), encoding="utf-8-sig")
    _, good = judge(mended)
    assert [spec.to[0] for _, spec, _ in good] == ["+998994412860", "+998977076909"]


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=10))
def test_what_was_seen_is_known_exactly(batches: list[list[int]]) -> None:
    seen, known = Seen(), set[int]()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key in known)
            known.add(key)
        assert seen.add_many(batch) == expected
    seen.close()


def test_the_report_can_be_told_as_json(tmp_path: Path) -> None:
    made, _ = judge(written(tmp_path, ("Phone",), ("994412860",), ("12",)))
    told = json.loads(json.dumps(made.report.to_dict()))
    assert told["rows"] == {"file": 2, "good": 1, "bad": 1, "duplicate": 0, "suppressed": 0}
    assert told["problems"][0]["number"] == 3
