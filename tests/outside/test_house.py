"""Rules of the house that no linter knows: each is read from the code itself, so that nobody has to remember it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dramatiq.brokers.stub import StubBroker
from redis.crc import key_slot

from alodial.store.keys import Keys
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE
from alodial_workers.actors import declare

from . import import_graph
from .text import PACKAGES, ROOT, at, modules, nodes, pages, tree, written

keys = Keys()

FOLDERS = ("schemas", "producers", "workers", "tests", "deploy", "benchmarks", "docs/decisions")
HEAVY = {
    "httpx",
    "fastapi",
    "starlette",
    "uvicorn",
    "typer",
    "click",
    "prometheus_client",
    "httptools",
    "alodial_workers",
}

LONGEST = 450
LONGER = {
    "schemas/alodial_schemas/alovoice/result.py": "the tolerant parser: one pure module, its spellings belong side by side",
}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_in_about_ten_lines_what_lives_there(folder: str) -> None:
    # A table's rows are its list, which may grow.
    lines = [line for line in (ROOT / folder / "README.md").read_text().splitlines() if not line.startswith("| [")]
    assert 8 <= len(lines) <= 20
    assert lines[0].startswith("# ")


def _place(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page", sorted(path for package in PACKAGES for path in package.rglob("README.md")), ids=_place
)
def test_the_page_of_a_room_names_every_module_in_it(page: Path) -> None:
    names = [name.removesuffix(".py") for name in re.findall(r"`([\w*/.-]+)`", page.read_text())]
    modules_here = [path.stem for path in page.parent.glob("*.py") if not path.stem.startswith("__")]
    assert [stem for stem in modules_here if not any(fnmatchcase(stem, name) for name in names)] == []


@pytest.mark.parametrize(
    "page", [page for page in pages() if page.name == "README.md"] + [ROOT / "CONTRIBUTING.md"], ids=_place
)
def test_a_page_names_no_file_that_is_not_there(page: Path) -> None:
    ours = {path.relative_to(ROOT).as_posix() for path in written()}
    names = re.findall(r"`([\w./-]+\.(?:py|lua))`", page.read_text())
    there = {name for name in names for path in ours if f"/{path}".endswith(f"/{name.lstrip('./')}")}
    assert set(names) - there - {"lua/NAME.lua"} == set()


def test_no_sentence_writes_its_plural_in_brackets() -> None:
    texts = [(path, node) for path, node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    bracketed = re.compile(r"(^|\w)\(s\)(?!://)")
    assert [at(path, node) for path, node in texts if bracketed.search(cast(str, node.value))] == []


def test_the_changelog_begins_with_the_version_of_the_distribution() -> None:
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == _project()["version"] == version("alodial")


def test_the_licence_is_there_and_is_the_one_that_is_declared() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert _project()["license"] == "MIT"


def test_importing_the_front_door_loads_no_http_client_no_web_framework_and_no_command_line() -> None:
    # structlog takes rich where it finds it, 20 ms; that alodial itself needs none shows when there is none.
    code = "import sys; sys.modules['rich'] = None; import alodial; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "alodial" in loaded
    assert HEAVY.isdisjoint(loaded), HEAVY.intersection(loaded)


# Parts of something declared, which names them in its own documentation as what to import.
COMES_WITH = {"starlette": "fastapi", "pydantic_core": "pydantic", "markupsafe": "jinja2"}


def test_everything_that_the_product_imports_is_declared_as_a_dependency() -> None:
    extras = [name for group in _project()["optional-dependencies"].values() for name in group]
    declared = {
        re.split(r"[\[<>=;~! ]", text)[0].lower().replace("-", "_") for text in [*_project()["dependencies"], *extras]
    }
    owners = packages_distributions()
    found = set()
    for path, node in nodes():
        match node:
            case ast.Import(names=names):
                tops = {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str() as module, level=0):
                tops = {module.partition(".")[0]}
            case _:
                continue
        for top in tops - set(sys.stdlib_module_names) - {package.name for package in PACKAGES}:
            owner = COMES_WITH.get(top) or (owners.get(top) or [top])[0]
            if owner.lower().replace("-", "_") not in declared:
                found.add(f"{at(path, node)} {top}")
    assert not found


def test_the_procfile_starts_web_and_worker() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    processes = dict(line.split(": ", 1) for line in lines)
    assert set(processes) == {"web", "worker"}
    assert [command.split()[:2] for command in processes.values()] == [["alodial", "web"], ["alodial", "worker"]]


def test_a_worker_listens_to_every_queue_that_is_rung_and_to_no_other() -> None:
    broker = StubBroker(middleware=[])
    declare(cast(Any, SimpleNamespace(broker=broker)))
    assert set(broker.actors) == {SUBMIT_QUEUE, COLLECT_QUEUE}
    assert {actor.queue_name for actor in broker.actors.values()} == {SUBMIT_QUEUE, COLLECT_QUEUE}


def test_make_help_lists_each_target_of_the_makefile() -> None:
    text = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert declared is not None
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    listed = {line.split()[1] for line in shown.splitlines() if line.split()[:1] == ["make"]}
    assert listed == set(declared[1].split()) == set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def test_every_key_of_the_store_shares_one_hash_slot_with_the_event_stream() -> None:
    slot = key_slot(keys.EVENTS.encode())
    made = [
        keys.PREFIX,
        keys.record("1"),
        keys.alias("1"),
        keys.ready("a", "bulk"),
        keys.channels("a"),
        keys.account("a"),
        f"{keys.PREFIX}bell:a",
    ]
    made += [
        value
        for name, value in vars(keys).items()
        if isinstance(value, str) and value.startswith(keys.PREFIX) and name.isupper()
    ]
    assert {key_slot(key.encode()) for key in made} == {slot}


def test_only_the_store_names_a_redis_key() -> None:
    store = ROOT / "producers" / "alodial" / "store"
    found = []
    for path in modules():
        documented = {id(node.value) for node in ast.walk(tree(path)) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documented
                and store not in path.parents
            ):
                found += [at(path, node)] * bool(re.search(r"(?<!urn:)alodial:[{a-z]|\{dial\}", node.value))
    assert not found


# The last word of a name tells what it holds: `key_slot` and `token_count` hold no secret, `api_key` does.
SECRET = re.compile(r"(^|_)(token|secret|secrets|password|api_key|signature)$")


def _named(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower()
        case ast.Call(func=ast.Attribute(attr="get_secret_value")):
            return "secret"
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name.lower()
        case _:
            return ""


def test_secrets_are_compared_in_constant_time_only() -> None:
    found = []
    for path, node in nodes():
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            secret = any(SECRET.search(_named(side)) for side in sides)
            empty = any(isinstance(side, ast.Constant) and side.value in ("", None) for side in sides)
            if secret and not empty:
                found.append(at(path, node))
    assert not found, "use hmac.compare_digest"


def test_certificates_are_always_checked_and_nothing_is_unpickled() -> None:
    forbidden = {"pickle", "shelve", "marshal", "dill", "yaml"}
    found = []
    for path, node in nodes():
        match node:
            case ast.keyword(arg="verify" | "check_hostname", value=ast.Constant(value=False)):
                found.append(at(path, node.value))
            case ast.Assign(targets=[ast.Attribute(attr="check_hostname" | "verify_mode")]):
                found.append(at(path, node))
            case ast.Import(names=names):
                found += [at(path, node) for name in names if name.name.partition(".")[0] in forbidden]
            case ast.ImportFrom(module=str() as module) if module.partition(".")[0] in forbidden:
                found.append(at(path, node))
            case ast.Call(func=ast.Name(id="eval" | "exec")):
                found.append(at(path, node))
            case _:
                pass
    assert not found


def test_log_events_have_constant_names() -> None:
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    found = []
    for path, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        bound = (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in levels
            and _named(node.func.value) in {"log", "logger"}
        )
        if not (bound or _named(node.func) == "level"):
            continue
        name = node.args[0] if node.args else ast.Constant(value=None)
        constant = (
            isinstance(name, ast.Constant)
            and isinstance(name.value, str)
            and re.fullmatch(r"[a-z_]+\.[a-z_]+", name.value)
        )
        if not constant:
            found.append(f"{at(path, node)} {ast.unparse(name)}")
    assert not found


def test_the_picture_of_imports_is_the_one_that_the_code_makes() -> None:
    assert import_graph.drawn() == import_graph.render(), "run: python -m tests.outside.import_graph"


def test_each_package_has_at_most_twenty_rooms_and_none_above_a_fifth_of_the_product() -> None:
    sizes: Counter[str] = Counter()
    for package in PACKAGES:
        rooms = set()
        for path in package.rglob("*.py"):
            room = path.relative_to(package).parts[0]
            sizes[f"{package.name}/{room}"] += len(path.read_text().splitlines())
            rooms.add(room)
        assert len(rooms) <= 20, sorted(rooms)
    assert max(sizes.values()) <= sum(sizes.values()) / 5


def test_class_names_are_unique_in_the_product() -> None:
    names: dict[str, list[str]] = {}
    for path, node in nodes():
        if isinstance(node, ast.ClassDef):
            names.setdefault(node.name, []).append(at(path, node))
    assert not {name: places for name, places in names.items() if len(places) > 1}


FORBIDDEN = {"one", "who", "what", "most", "told", "asked", "given", "shown", "found"}


def test_public_names_are_not_riddles() -> None:
    riddles = []
    for path, node in nodes():
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names = [name]
            case ast.arg(arg=name):
                names = [name]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                continue
        riddles += [f"{at(path, node)} {name}" for name in names if name.strip("_") in FORBIDDEN]
    assert not riddles


def test_no_exception_to_these_rules_outlives_its_reason() -> None:
    assert all(len((ROOT / name).read_text().splitlines()) > LONGEST for name in LONGER)


def test_files_are_small_enough_to_be_read_at_once() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert not {name: size for name, size in sizes.items() if size > LONGEST and name not in LONGER}


def test_nothing_names_a_folder_of_the_machine_it_was_written_on_and_nothing_is_left_to_do() -> None:
    machine = re.compile(r"/(work|root|home/\w+)/|/tmp/[a-z]")
    undone = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = []
    for path in written():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (machine.search(line) or undone.search(line)) and Path(__file__) != path:
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}")
    assert not found
