"""Finds what modules say to people in their source: texts, and f-strings with ``<name>`` where a value comes."""

import ast
import re
from collections.abc import Collection, Iterator
from itertools import product
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


SPEAKERS = {"say", "confirm", "confirm_person", "prompt", "BadParameter"}
"""Functions whose first argument is said to a person at a terminal."""


def spoken(path: Path, errors: Collection[str]) -> Iterator[str]:
    """Texts with words that a module gives to ``SPEAKERS`` or to one of the ``errors``, each choice in them written out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and (_name(node.func) in SPEAKERS or _name(node.func) in errors):
            for argument in node.args:
                for text in _choices(argument):
                    sentence = re.sub("^(error|hint|warning|written): ", "", text)
                    words = sentence.replace("<value>", "")
                    if re.search(r"[A-Za-z]{2}.* | .*[A-Za-z]{2}", words) and not sentence.startswith(COMMANDS):
                        yield sentence


def counted(path: Path) -> Iterator[str]:
    """Nouns that a module counts with ``count_of``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and _name(node.func) in {"count_of", "count_text"}:
            yield from (text for argument in node.args[1:] if (text := _text(argument)))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _choices(node: ast.AST) -> list[str]:
    """All texts that an expression may be; ``<value>`` for what is no text of the source."""
    match node:
        case ast.Constant():
            return [node.value if isinstance(node.value, str) else "<value>"]
        case ast.IfExp():
            return _choices(node.body) + _choices(node.orelse)
        case ast.BoolOp():
            return [text for value in node.values for text in _choices(value)]
        case ast.FormattedValue():
            return [text or "<value>" if isinstance(node.value, ast.BoolOp) else text for text in _choices(node.value)]
        case ast.JoinedStr():
            return ["".join(parts) for parts in product(*map(_choices, node.values))]
    return ["<value>"]
