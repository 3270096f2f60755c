"""Commands of other packages: found as importlib.metadata finds them, and by it where there are no files to look at."""

import sys
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import ZipFile

import pytest

from alodial.cli.added_commands import GROUP, added_commands

ENTRY_POINTS = """
[console_scripts]
other = json:dumps

# [alodial.commands]
[alodial.commands]
# off = json:detect_encoding
first = json:loads
second=json:dump [extra]

[another.group]
third = json:load
"""


def test_the_commands_are_those_that_importlib_finds() -> None:
    assert added_commands() == [entry.load() for entry in entry_points(group=GROUP)] != []


def test_a_distribution_adds_those_of_the_group_alone_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        info = tmp_path / folder / "other-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
        (tmp_path / folder / "plain-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "nowhere"), str(tmp_path / "b"), *sys.path])
    assert [command.__name__ for command in added_commands()[:2]] == ["loads", "dump"]
    assert len(added_commands()) == 2 + len(entry_points(group=GROUP).select(name="workers"))


def test_a_packed_distribution_is_found_by_importlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "other.zip"
    with ZipFile(packed, "w") as archive:
        archive.writestr("other-1.0.dist-info/entry_points.txt", "[alodial.commands]\nfirst = json:loads\n")
        archive.writestr("other-1.0.dist-info/METADATA", "Name: other\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [str(packed)])
    assert [command.__name__ for command in added_commands()] == ["loads"]
