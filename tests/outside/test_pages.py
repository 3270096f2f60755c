"""What the pages say is true of the code: names, settings, events, figures, links."""

import re
from pathlib import Path

import pytest

import alodial
from alodial.settings import Settings
from alodial_schemas import Disposition, State

from . import settings_page
from .text import ROOT, heading_anchor, modules, pages, written

DOCS = ROOT / "docs"
# Read by the sandbox's options, by the chaos tests and by nobody else.
NO_FIELDS = {"ALODIAL_SANDBOX_CALLBACK_URL", "ALODIAL_SANDBOX_TOKEN", "ALODIAL_CHAOS"}


def _code() -> str:
    return "\n".join(path.read_text() for path in modules())


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_page_of_settings_is_the_one_that_the_fields_make() -> None:
    assert settings_page.PAGE.read_text() == settings_page.render(), "run: python -m tests.outside.settings_page"


def test_the_example_of_an_environment_has_every_setting_with_its_default() -> None:
    assert settings_page.ENV.read_text() == settings_page.render_env(), "run: python -m tests.outside.settings_page"


def test_a_setting_that_nothing_acts_on_says_so() -> None:
    used = "\n".join(path.read_text() for path in modules() if path.parent.name != "settings")
    unused = {name for name in Settings.model_fields if not re.search(rf"settings\.{name}\b", used)}
    # These are read through `Settings.account`, in the settings themselves.
    assert (
        unused
        - {
            "burst",
            "calls_per_second",
            "max_concurrent_calls",
            "daily_calls",
            "daily_minutes",
            "provider_token",
            "accounts",
            "spool_dir",  # through `spool_folder`
            "upload_dir",  # through `upload_folder`
            "live_retention",  # through `live_life`
        }
        == settings_page.NOT_USED_YET
    )


@pytest.mark.parametrize("page", [*pages(), *sorted((ROOT / "deploy").glob("*[!d]"))], ids=_id)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    if page.is_dir():
        return
    named = set(re.findall(r"\bALODIAL_[A-Z_]*[A-Z]\b", page.read_text()))
    assert named - NO_FIELDS <= {f"ALODIAL_{name.upper()}" for name in Settings.model_fields}


def test_every_public_name_is_on_the_python_page() -> None:
    text = (DOCS / "python.md").read_text()
    table = text[text.index("## Every name") :]
    missing = [name for name in alodial.__all__ if f"`{name}`" not in table]
    assert not missing
    for name in re.findall(r"`([A-Z]\w+)`", table):
        assert name in alodial.__all__ or name == "None", f"{name} is on the page but not in alodial"


def test_every_log_event_that_operators_are_told_of_is_really_logged() -> None:
    text = (DOCS / "operations.md").read_text()
    section = text[text.index("## Logs") : text.index("## Figures")]
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", section))
    code = _code()
    assert len(named) > 10
    assert not {name for name in named if f'"{name}"' not in code}


def test_every_figure_that_operators_are_told_of_is_exported() -> None:
    named = set(re.findall(r"`(alodial_[a-z_]+)", (DOCS / "operations.md").read_text()))
    code = _code()
    assert len(named) > 5
    assert not {name for name in named if f'"{name.removesuffix("_total")}"' not in code}


def test_the_outcome_table_has_every_status_that_refuses() -> None:
    text = (DOCS / "reliability.md").read_text()
    # 404 and 405 have a row of their own: until a first call was taken they say that the address is wrong.
    statuses = sorted(Settings.model_fields["refused_statuses"].default - {404, 405})
    assert f"| {' '.join(str(status) for status in statuses)} |" in text
    assert "| 404 405 (" in text


def test_the_figures_in_the_prose_are_those_of_the_settings() -> None:
    fields = Settings.model_fields
    reliability = (DOCS / "reliability.md").read_text()
    assert f"`ALODIAL_MAX_TRIES` ({fields['max_tries'].default})" in reliability
    decision = (DOCS / "decisions" / "0007-channels-are-given-up.md").read_text()
    assert f"({fields['channel_timeout'].default})" in decision
    assert f"({fields['result_timeout'].default})" in decision
    assert f"up to {fields['max_in_flight'].default} POSTs" in (DOCS / "architecture.md").read_text()


def test_states_and_dispositions_are_spelled_as_the_code_spells_them() -> None:
    words = {*State, *Disposition}
    text = "\n".join((DOCS / name).read_text() for name in ("reliability.md", "architecture.md", "python.md"))
    assert {"unconfirmed", "timed_out", "completed"} <= {word for word in words if f"`{word}`" in text}
    assert "`timedout`" not in text
    assert "`cancelled`" not in text


@pytest.mark.parametrize("page", pages(), ids=_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor in {heading_anchor(heading) for heading in headings}, target


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (DOCS / "architecture.md").read_text()
    for name in set(re.findall(r"`((?:producers|workers|schemas)/[\w/.]+|[a-z_]+\.py)`", text)):
        assert (
            (ROOT / name).exists()
            or (ROOT / "workers" / "alodial_workers" / name).exists()
            or list((ROOT / "producers").rglob(name))
        ), name


@pytest.mark.parametrize("page", ["docs/walks.md", "docs/adding-a-provider.md", "CONTRIBUTING.md", "docs/provider.md"])
def test_every_name_on_the_pages_for_newcomers_is_in_the_file_beside_it(page: str) -> None:
    for line in (ROOT / page).read_text().splitlines():
        paths = re.findall(r"`((?:producers|workers|schemas|tests|docs)/[\w/.-]+)`", line)
        assert all((ROOT / path).exists() for path in paths), line
        if page == "docs/walks.md" and len(paths) == 1 and paths[0].endswith(".py"):
            names = re.findall(r"`([A-Za-z_]+)(?:\.([a-z_]+))?(?:\([^`]*\))?`", line.split("|")[1])
            text = (ROOT / paths[0]).read_text()
            assert all(part in text for pair in names for part in pair if part and part != "queue"), line


def test_each_decision_is_short_and_is_on_the_list() -> None:
    decisions = sorted((DOCS / "decisions").glob("0*.md"))
    listed = re.findall(r"\]\((0\d{3}-[\w-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text())
    assert [path.name for path in decisions] == listed
    for number, path in enumerate(decisions, 1):
        text = path.read_text()
        assert text.startswith(f"# {number:04}: ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Why", "Consequences"))
        assert len(text.splitlines()) <= 20


def test_no_page_is_empty() -> None:
    assert all(path.read_text().strip() for path in written() if path.suffix == ".md")
