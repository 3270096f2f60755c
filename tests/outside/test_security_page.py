"""Every test that the page on security names exists."""

import re

import pytest

from alodial.settings import Settings
from alodial.store.retention import KINDS, kept_data

from .text import ROOT

PAGE = ROOT / "docs" / "security.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part or "whole file")
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    text = (ROOT / path).read_text()
    begin = rf"def {name}\(" if name else r"def test_\w+\("
    assert re.search(rf"^(async )?{begin}", text, re.M)


def test_every_row_of_the_tables_names_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| (API|V)\d", line)]
    assert len(rows) >= 20
    assert [row for row in rows if "tests/" not in row] == []


def test_no_page_and_no_help_puts_a_secret_on_a_command_line() -> None:
    secret = re.compile(
        r"ALODIAL_(API_KEYS|CALLBACK_SECRET|WEBHOOK_SECRET)=\S+ +alodial|alodial .*(callbacks/alovoice/|--api-key)\S"
    )
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*")]
    sources = [*ROOT.glob("producers/alodial/cli/*.py"), *ROOT.glob("workers/alodial_workers/**/commands.py")]
    lines = [
        f"{path.name}: {line.strip()}"
        for path in (*pages, *sources)
        if path.is_file()
        for line in path.read_text().replace("\\\n", " ").splitlines()
        if secret.search(line)
    ]
    assert lines == []


def test_the_page_says_how_long_every_kind_of_data_is_kept() -> None:
    kept = kept_data(Settings(_env_file=None))
    assert [data.kind for data in kept] == list(KINDS)
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.M))
    for data in kept:
        row = rows[KINDS[data.kind]]
        time = {48 * 3600: "48 hours", 600: "10 minutes"}.get(
            data.seconds or 0, f"{(data.seconds or 0) / 86400:g} days"
        )
        assert row.startswith(f"{data.newest:,}" if data.newest else time if data.seconds else "until somebody"), row
        assert data.setting in row
