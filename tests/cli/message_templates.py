"""Finds what modules say to people in their source: texts, and f-strings with ``<name>`` where a value comes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

COMMANDS = ("redis-cli ", "alodial ", "python ", "ALODIAL_PROVIDER_URL=", "ALODIAL_ALLOWED_PREFIXES=")
"""Beginnings of texts that are typed as they are, in every language."""


TYPE = re.compile(r"[\w, ]*(\[[\w, ]*\]| \| \w+)")
"""Annotations in quotes."""


def templates(path: Path) -> Iterator[str]:
    """Texts of a module with words in them, without docstrings, names and commands."""
    tree = ast.parse(path.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in statements or (id(node) in parts and not isinstance(node, ast.JoinedStr)):
            continue
        text = _text(node)
        if TYPE.fullmatch(text):
            continue
        if " " in text.strip() and not text.startswith(COMMANDS) and any(map(str.isalpha, text.replace("<value>", ""))):
            yield text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "<value>" for part in node.values)
    return ""
