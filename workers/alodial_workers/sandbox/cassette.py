"""A cassette: what AloVoice answered and sent once, with secrets out and numbers masked, to be played again.

`alodial provider check` writes it, `alodial sandbox --cassette FILE` plays it. docs/sandbox.md describes the form.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

BodyForm = Literal["multipart-brackets", "multipart-json", "json"]

PHONE, EXTID = "{phone}", "{extid}"
"""Places of the texts where the replayed call's first number (as it was sent) and extid go."""

MAX_FILE = 4 * 1024 * 1024


class CassettePost(BaseModel):
    """A POST in one body form and its answer. `status` is null where none came; `rang`: whether a phone may have rung."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: BodyForm
    status: int | None = Field(default=None, ge=200, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = Field(default="", max_length=64 * 1024)
    rang: bool
    outcome: str = ""


class CassetteCallback(BaseModel):
    """A result as it came: `after` is in seconds from the POST; `address` is where it came from, "" if not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: float = Field(default=0.0, ge=0)
    content_type: str = ""
    body: str = Field(default="", max_length=256 * 1024)
    address: str = ""


class Cassette(BaseModel):
    """One recorded exchange. `recorded_at` is ISO 8601."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cassette: Literal[1] = 1
    recorded_at: str = ""
    posts: tuple[CassettePost, ...] = Field(min_length=1, max_length=8)
    callbacks: tuple[CassetteCallback, ...] = Field(default=(), max_length=16)

    def post(self, form: BodyForm) -> CassettePost:
        """The recorded POST of a form; for a form that was not tried the last one, by which the series ended."""
        return next((post for post in self.posts if post.form == form), self.posts[-1])


def played(text: str, phone: str, extid: str) -> str:
    """A recorded text with the values of the call that is played."""
    return text.replace(PHONE, phone).replace(EXTID, extid)


def form_of(content_type: str, body: dict[str, object]) -> BodyForm:
    """The form in which a body that was read had been written."""
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return "json"
    packed = any(
        isinstance(value := body.get(name), str) and value.lstrip()[:1] in "{[" for name in ("callfrom", "callto")
    )
    return "multipart-json" if packed else "multipart-brackets"


def read_cassette(path: Path) -> Cassette:
    """Reads a cassette. Raises ValueError, which names the wrong field and its place."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise ValueError(f"cassette: cannot read {path}: {problem.strerror}; name a readable JSON file") from problem
    if len(text) > MAX_FILE:
        raise ValueError(f"cassette: {path} is above {MAX_FILE} bytes; name a file that alodial provider check wrote")
    try:
        return Cassette.model_validate_json(text)
    except ValidationError as problem:
        lines = [f"{'.'.join(str(step) for step in e['loc']) or 'file'}: {e['msg']}" for e in problem.errors()]
        raise ValueError(f"cassette: {path} does not fit: " + "; ".join(lines)) from problem


def cassette_text(cassette: Cassette) -> str:
    """The text of a cassette's file."""
    return json.dumps(cassette.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"
