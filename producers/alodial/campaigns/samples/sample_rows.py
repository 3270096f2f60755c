"""Writes the sample files: invented people with numbers of a range (+998 40) that no operator uses."""

import csv
import io
from pathlib import Path
from typing import Final

HEADER: Final = ("Phone", "Name", "Language", "Invoice number")
ROWS: Final = 300

_NAMES: Final = (
    ("Aziza Namunaxon", "uz"), ("Bobur Misolov", "uz"), ("Dilnoza Sinovbek", "uz"), ("Jasur Namunayev", "uz"),
    ("Анна Примерная", "ru"), ("Malika Misolova", "uz"), ("Борис Образцов", "ru"), ("Otabek Sinovbek", "uz"),
    ("Вера Тестова", "ru"), ("Sardor Namunayev", "uz"), ("Глеб Примеров", "ru"), ("Zulfiya Misolova", "uz"),
    ("Jane Example", "en"),
)  # fmt: skip

# The sandbox answers these endings; 70 to 74 and 80 to 89 simulate other failures.
_ANSWERED: Final[tuple[int, ...]] = (*range(70), *range(75, 80))


def sample_rows() -> list[tuple[str, ...]]:
    """The 300 good rows, the same each time: 25 numbers are busy, 25 do not answer, 5 are congested, 5 unavailable."""
    rows: list[tuple[str, ...]] = []
    for i in range(ROWS):
        number = f"40{55_000 + i}{_ending(i):02d}"
        name, lang = _NAMES[i % len(_NAMES)]
        rows.append((_written(number, i), name, lang, f"INV-2026-{i + 1:05d}"))
    return rows


def _ending(i: int) -> int:
    match i % 12, i % 60:
        case 5, _:
            return 90
        case 9, _:
            return 91
        case _, 20:
            return 92
        case _, 50:
            return 93
        case _:
            return _ANSWERED[i * 7 % len(_ANSWERED)]


def _written(number: str, i: int) -> str:
    """A number as people write it, in one of four ways."""
    match i % 8:
        case 3:
            return number
        case 5:
            return f"998{number}"
        case 7:
            return f"+998 ({number[:2]}) {number[2:5]}-{number[5:7]}-{number[7:]}"
        case _:
            return f"+998{number}"


def rows_with_mistakes() -> list[tuple[str, ...]]:
    """Rows for a demonstration of the check: five are good, the others are rejected, each for its own reason."""
    return [
        ("+998405560001", "Good One", "ru", "M-1"),
        ("9.98406E+11", "Excel rounded it", "ru", "M-2"),
        ("=HYPERLINK(B2)", "A formula", "ru", "M-3"),
        ("40556", "Too short", "ru", "M-4"),
        ("", "No phone", "ru", "M-5"),
        ("+998405560001", "The first one again", "uz", "M-6"),
        ("998 40 556 00 01", "The same, written otherwise", "uz", "M-7"),
        ("102", "The police", "uz", "M-8"),
        ("+14155550100", "Another country", "en", "M-9"),
        ("+998405560002", "No such language", "what language", "M-10"),
        ("+998405560003", "One cell too many", "ru", "M-11", "and here it is"),
        ("+998405560004", "Good Two", "Русский", "M-12"),
        ("call me", "Words", "ru", "M-13"),
        ("+998405560005, +998405560006", "Good Three: two phones, rung in order", "uz", "M-14"),
        ("+998 40 556-00-07 доб. 12", "An extension", "ru", "M-15"),
        ("+99840556000800", "A digit or two too many", "ru", "M-16"),
        ("٩٩٨٤٠٥٥٦٠٠٠٩", "Good Four: Arabic digits", "", "M-17"),
        ("+998405560010", "Good Five", "en", "M-18"),
        ("+998405560011", "A reference that is far too long", "ru", "M-19 " + "x" * 140),
        ("998405560012.5", "A number with a fraction", "ru", "M-20"),
    ]


def as_csv(rows: list[tuple[str, ...]]) -> bytes:
    """The rows below the samples' header, as CSV with the mark that Excel expects."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *rows])
    return text.getvalue().encode("utf-8-sig")


if __name__ == "__main__":
    here = Path(__file__).parent
    here.joinpath("sample.csv").write_bytes(as_csv(sample_rows()))
    here.joinpath("sample-with-mistakes.csv").write_bytes(as_csv(rows_with_mistakes()))
