"""The project's own files as the tests of this folder read them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "schemas" / "alodial_schemas", ROOT / "producers" / "alodial", ROOT / "workers" / "alodial_workers")


def modules() -> list[Path]:
    """Every Python file of the product."""
    return [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in modules():
        for node in ast.walk(tree(path)):
            yield path, node


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def pages() -> list[Path]:
    """Everything that people read."""
    folders = sorted(path for path in ROOT.glob("*/README.md"))
    inner = sorted(path for package in PACKAGES for path in package.rglob("README.md"))
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md")), *folders, *inner]


def written() -> list[Path]:
    """Every text file that is ours, wherever it stands."""
    folders = ("schemas", "producers", "workers", "tests", "benchmarks", "deploy", "docs", ".ci")
    kinds = {".py", ".lua", ".md", ".yaml", ".toml", ".conf", ".service", ".example", ""}
    found = [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix in kinds
    ]
    tops = [ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", "Procfile", "pyproject.toml")]
    return [path for path in found if "__pycache__" not in path.parts] + tops


def heading_anchor(heading: str) -> str:
    """The anchor that a Markdown heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
