"""What `pip install alodial` brings: few packages, and every file that a command or its hint names."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas/alodial_schemas", "producers/alodial", "workers/alodial_workers")
NAMED = re.compile(r"\b(?:docs|deploy)/[\w.-]+(?:/[\w.-]+)*\.(?:md|conf|example|ya?ml|service)\b")
PAGE = re.compile(r"docs_page\(['\"]([\w.-]+)['\"]\)")

BASE = {
    "dramatiq",
    "redis",
    "hiredis",
    "pydantic",
    "pydantic-core",
    "pydantic-settings",
    "annotated-types",
    "typing-extensions",
    "typing-inspection",
    "python-dotenv",
    "structlog",
    "phonenumberslite",
    "tzdata",
}
"""The packages of `pip install alodial`, ours not counted. async-timeout comes with redis on Python before 3.11.3."""


def installed_with(requirements: list[str]) -> set[str]:
    """The names of these requirements and of all that they require, for this Python and without extras."""
    names: set[str] = set()
    left = [Requirement(text) for text in requirements]
    while left:
        requirement = left.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in names:
            names.add(name)
            left += [Requirement(text) for text in requires(requirement.name) or []]
    return names


def test_the_installation_without_extras_is_thirteen_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert installed_with(project["dependencies"]) - {"async-timeout"} == BASE
    assert len(BASE) == 13
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert locked >= BASE


def named_files() -> set[str]:
    texts = [path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    pages = {f"docs/{name}" for text in texts for name in PAGE.findall(text)}
    return pages | {name for text in texts for name in NAMED.findall(text)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("alodial-*.whl")
    return built


def test_the_wheel_holds_every_file_that_a_command_or_a_hint_names(wheel: Path) -> None:
    named = named_files()
    assert {"docs/settings.md", "docs/webhooks.md", "docs/http.md", "docs/sandbox.md"} <= named
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {f"alodial/{name}" for name in named | {"deploy/redis.conf", "deploy/env.example"}}
    assert wanted - held == set()
    assert not [name for name in held if name.endswith(".env")]


def test_a_hint_of_the_installed_package_names_a_page_that_is_there(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from alodial.cli.output import docs_page; print(docs_page('settings.md'))"
    # `-c` puts the working directory first, before the editable install of the sources.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert Path(done.stdout.strip()) == tmp_path / "alodial" / "docs" / "settings.md"
    assert Path(done.stdout.strip()).exists()
