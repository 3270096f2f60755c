"""AloVoice's request on the wire: the client's encoders, and the reader for the drop-in endpoint and the sandbox.

Multipart has no nesting. AloVoice's server is an Express application, whose multer gives field names to npm's
`append-field`; `nest` does what that package does.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ..phones import wire_phone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_FIELDS: Final = 2000
MAX_DEPTH: Final = 8
MAX_INDEX: Final = 1000
MAX_HOLES: Final = 10_000  # 2,000 fields with an index of 1,000 on each of 8 levels would fill a hundred megabytes


class FieldsError(ValueError):
    """The form is larger or deeper than any call: str() says which limit it passed and what the limit is."""


class _Undefined:
    """A place in a list that no field has filled yet: JavaScript's `undefined`, which is not null."""


_UNDEFINED: Final = _Undefined()
_INDEX: Final = re.compile(r"\[([0-9]+)\]")
_NAME: Final = re.compile(r"\[([^\]]+)\]")


def _steps(key: str) -> tuple[list[str | int], bool]:
    """The path of a bracket name and whether it ends in `[]`; a name that is no path stands for itself."""
    literal: tuple[list[str | int], bool] = ([key], False)
    first, bracket, _ = key.partition("[")
    if not first:
        return literal
    if not bracket:
        return literal
    steps: list[str | int] = [first]
    at = len(first)
    while at < len(key):
        if key.startswith("[]", at):
            return (steps, True) if at + 2 == len(key) else literal
        index = _INDEX.match(key, at)
        step = index or _NAME.match(key, at)
        if step is None:
            return literal
        at = step.end()
        if len(steps) > MAX_DEPTH:
            raise FieldsError(f"a field name is nested deeper than {MAX_DEPTH} levels")
        if index is None:
            steps.append(step[1])
        elif len(index[1]) > 4 or int(index[1]) > MAX_INDEX:
            raise FieldsError(f"a field name has an index above {MAX_INDEX}")
        else:
            steps.append(int(index[1]))
    return steps, False


def _get(context: dict[str, Any] | list[Any], step: str | int) -> Any:
    if isinstance(context, dict):
        return context.get(str(step), _UNDEFINED)
    return context[step] if isinstance(step, int) and step < len(context) else _UNDEFINED


class _Nester:
    """Builds the nested object of `nest`, field by field."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._room = MAX_HOLES

    def add(self, key: str, value: str) -> None:
        steps, append = _steps(key)
        context: dict[str, Any] | list[Any] = self.root
        for step, following in pairwise(steps):
            context = self._descend(context, step, following)
        self._set(context, steps[-1], value, append)

    def _put(self, context: dict[str, Any] | list[Any], step: str | int, value: Any) -> None:
        if isinstance(context, dict):
            context[str(step)] = value
            return
        # `_descend` leaves a list as the context only before an index.
        assert isinstance(step, int)  # noqa: S101 - tells mypy what the line above says
        if step >= len(context):
            self._room -= step - len(context)
            if self._room < 0:
                raise FieldsError(f"the form's lists have more than {MAX_HOLES} empty places")
            context.extend([_UNDEFINED] * (step + 1 - len(context)))
        context[step] = value

    def _descend(
        self, context: dict[str, Any] | list[Any], step: str | int, following: str | int
    ) -> dict[str, Any] | list[Any]:
        """The container under `step`, made or converted as the `following` step needs it."""
        current = _get(context, step)
        if isinstance(current, dict):
            return current
        if isinstance(current, list):
            if isinstance(following, int):
                return current
            # A name after indexes: the list becomes an object whose names are the indexes.
            container: dict[str, Any] | list[Any] = {
                str(i): item for i, item in enumerate(current) if item is not _UNDEFINED
            }
        elif current is not _UNDEFINED:
            container = {"": current}
        else:
            container = [] if isinstance(following, int) else {}
        self._put(context, step, container)
        return container

    def _set(self, context: dict[str, Any] | list[Any], step: str | int, value: str, append: bool) -> None:
        current = _get(context, step)
        if current is _UNDEFINED:
            self._put(context, step, [value] if append else value)
        elif isinstance(current, list):
            current.append(value)
        elif isinstance(current, dict):
            self._set(current, "", value, append=False)
        else:
            self._put(context, step, [current, value])


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return None if value is _UNDEFINED else value


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Returns multipart text fields nested as multer 2.x does: `a[b]`, `a[0][b]`, `a[]`; a repeated name makes a list.

    Places of a list that no field fills are None. `__proto__` and its like are names as any other. Raises FieldsError
    above 2,000 fields, 8 levels, the index 1,000 or 10,000 unfilled places. Source: npm's `append-field`.
    """
    nester = _Nester()
    for count, (key, value) in enumerate(pairs, 1):
        if count > MAX_FIELDS:
            raise FieldsError(f"the form has more than {MAX_FIELDS} fields")
        nester.add(key, value)
    nested: dict[str, Any] = _filled(nester.root)
    return nested


def _wire_target(target: Mapping[str, Any]) -> dict[str, str]:
    if "queue" in target:
        return {"queue": target["queue"]}
    if "lang" in target:
        return {"phone": wire_phone(target["phone"]), "lang": target["lang"]}
    return {"phone": wire_phone(target["phone"])}


def wire_body(body: Mapping[str, Any], extid: str) -> dict[str, Any]:
    """Returns a canonical body (`body_json`) in the form of AloVoice's documentation, key for key.

    `fromline` is an int when it is a +998 number, as their example has it; text with `+` otherwise, which no int can hold.
    """
    if "callfrom" in body:
        return {
            "callfrom": _wire_target(body["callfrom"]),
            "callto": [_wire_target(target) for target in body["callto"]],
            "extid": extid,
        }
    line = wire_phone(body["fromline"])
    return {
        "callto": wire_phone(body["callto"]),
        "ivrid": body["ivrid"],
        "fromline": line if line.startswith("+") else int(line),
        "extid": extid,
    }


# RFC 2046's characters without the space and without those that would need quotes in the Content-Type header.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'+_.-]{1,70}")


@lru_cache(maxsize=64)
def _opening(boundary: str) -> tuple[str, str]:
    if _BOUNDARY.fullmatch(boundary) is None:
        raise ValueError("boundary: 1 to 70 letters, digits and '+_.- are needed")
    return f'--{boundary}\r\nContent-Disposition: form-data; name="', f"--{boundary}--\r\n"


def _joined(pairs: list[tuple[str, str]], boundary: str) -> bytes:
    """The parts as a body. Raises ValueError for a value that holds the boundary, because it could forge a part."""
    opening, closing = _opening(boundary)
    text = "".join([f'{opening}{name}"\r\n\r\n{value}\r\n' for name, value in pairs])
    # One search in C proves that no name and no value holds the boundary.
    if text.count(boundary) != len(pairs):
        raise ValueError("a value holds the multipart boundary; take another boundary")
    return (text + closing).encode()


def _target_pairs(name: str, target: Mapping[str, Any], pairs: list[tuple[str, str]]) -> None:
    if "queue" in target:
        pairs.append((name + "[queue]", target["queue"]))
        return
    pairs.append((name + "[phone]", wire_phone(target["phone"])))
    if "lang" in target:
        pairs.append((name + "[lang]", target["lang"]))


def encode_multipart_brackets(body: Mapping[str, Any], extid: str, boundary: str) -> bytes:
    """Returns a canonical body as multipart/form-data with bracket names, the default wire form.

    Raises ValueError for an invalid boundary, and for a boundary that a value holds.
    """
    # The same pairs as wire_body's object has, flattened, without the dicts between: a test keeps the two equal.
    pairs: list[tuple[str, str]] = []
    if "callfrom" in body:
        _target_pairs("callfrom", body["callfrom"], pairs)
        for index, target in enumerate(body["callto"]):
            _target_pairs(f"callto[{index}]", target, pairs)
    else:
        pairs.append(("callto", wire_phone(body["callto"])))
        pairs.append(("ivrid", str(body["ivrid"])))
        pairs.append(("fromline", wire_phone(body["fromline"])))
    pairs.append(("extid", extid))
    return _joined(pairs, boundary)


# A shared encoder: json.dumps with separators builds a new encoder each time, which costs more than the encoding.
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_multipart_json(body: Mapping[str, Any], extid: str, boundary: str) -> bytes:
    """Returns a canonical body as multipart/form-data: objects and lists as JSON text, other fields as plain text.

    Raises ValueError as `encode_multipart_brackets` does.
    """
    pairs = [
        (name, _compact(value) if isinstance(value, (dict, list)) else str(value))
        for name, value in wire_body(body, extid).items()
    ]
    return _joined(pairs, boundary)


def encode_json(body: Mapping[str, Any], extid: str) -> bytes:
    """Returns a canonical body as a JSON object, as AloVoice's documentation prints it."""
    return _compact(wire_body(body, extid)).encode()


def _from_text(value: object) -> object:
    """The object or list of a JSON text; any other value unchanged, for the models to validate."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed


def _filled_in(value: object) -> object:
    """An object without the empty texts that a form sends for fields that were left empty."""
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if item not in ("", None)}
    return value


def _target_list(value: object) -> object:
    """The recipients as a list, from a list, an object keyed by index, or a single object."""
    if isinstance(value, dict):
        if "phone" in value or "queue" in value:
            return [_filled_in(value)]
        # An object keyed by index: append-field makes it of mixed names, and PHP of every list.
        if value and all(name.isascii() and name.isdigit() for name in value):
            value = [value[name] for name in sorted(value, key=lambda name: (len(name), name))]
    if isinstance(value, list):
        return [_filled_in(_from_text(item)) for item in value if item not in ("", None)]
    return value


def read_request(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of `nest` or of a JSON body as the object that `parse_call` takes.

    Understands JSON text in any field, a list as an object keyed by index, and empty texts for fields left empty.
    It validates nothing: wrong values stay for `parse_call` to name.
    """
    read = {name: _from_text(value) for name, value in fields.items() if value not in ("", None)}
    if "callfrom" in read:
        read["callfrom"] = _filled_in(read["callfrom"])
    if "callto" in read:
        read["callto"] = _target_list(read["callto"])
    return read
