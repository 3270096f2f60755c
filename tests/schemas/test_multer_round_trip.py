"""Our encoders and our reader against the real multer. npm's package is looked for where node looks (NODE_PATH)."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
from typing import Any

import pytest

from alodial_schemas.alovoice.request import (
    FieldsError,
    encode_multipart_brackets,
    encode_multipart_json,
    nest,
    wire_body,
)

ECHO = """
const multer = require('multer'), { Readable } = require('stream');
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const one = (body) => new Promise((done) => {
  const bytes = Buffer.from(body, 'base64'), req = Readable.from([bytes]);
  req.headers = { 'content-type': 'multipart/form-data; boundary=b0und', 'content-length': String(bytes.length) };
  multer().none()(req, {}, (error) => done(error ? { error: String(error) } : req.body));
});
(async () => {
  const answers = [];
  for (const body of cases) answers.push(await one(body));
  process.stdout.write(JSON.stringify(answers));
})();
"""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None or subprocess.run([found, "-e", "require('multer')"], capture_output=True, check=False).returncode:
        pytest.skip(
            "node or npm's multer is not here: `npm install multer` anywhere and set NODE_PATH to its node_modules"
        )
    return found


def multer_reads(node: str, encoded: list[bytes]) -> list[Any]:
    cases = json.dumps([base64.b64encode(body).decode() for body in encoded])
    done = subprocess.run([node, "-e", ECHO], input=cases, capture_output=True, text=True, check=True, timeout=60)
    answers: list[Any] = json.loads(done.stdout)
    return answers


def test_multer_reads_what_we_write(node: str) -> None:
    bodies: list[dict[str, Any]] = [
        {
            "callfrom": {"phone": "+998712037006", "lang": "ru"},
            "callto": [{"phone": f"+99890000{n:04}"} for n in range(20)],
        },
        {
            "callfrom": {"phone": "+998712037006"},
            "callto": [{"queue": "6000"}, {"phone": "+79161234567", "lang": "uz"}],
        },
        {"callto": "+998712037006", "ivrid": 222, "fromline": "+998712037006"},
    ]
    brackets = multer_reads(node, [encode_multipart_brackets(body, "123123", "b0und") for body in bodies])
    for body, read in zip(bodies, brackets, strict=True):
        sent = wire_body(body, "123123")
        assert read == {name: str(value) if isinstance(value, int) else value for name, value in sent.items()}
    for body, read in zip(
        bodies, multer_reads(node, [encode_multipart_json(b, "5", "b0und") for b in bodies]), strict=True
    ):
        for name, value in wire_body(body, "5").items():
            assert read[name] == value or json.loads(read[name]) == value


def test_our_reader_nests_hostile_names_as_multer_does(node: str) -> None:
    # A seed, so that a failure can be seen again; multer is asked once for all, because node takes a while to start.
    chance = random.Random(20260102)
    pieces = ["a", "b", "[0]", "[1]", "[3]", "[]", "[b]", "[c]", "[", "]", "[__proto__]", "[ 0]", "constructor", "[01]"]
    forms: list[list[tuple[str, str]]] = []
    for _ in range(3000):
        names = [
            chance.choice(["a", "a", "b", "__proto__"]) + "".join(chance.choices(pieces, k=chance.randint(0, 4)))
            for _ in range(chance.randint(1, 6))
        ]
        forms.append([(name, str(index)) for index, name in enumerate(names)])
    encoded = [
        b"".join(f'--b0und\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in form)
        + b"--b0und--\r\n"
        for form in forms
    ]
    for form, theirs in zip(forms, multer_reads(node, encoded), strict=True):
        try:
            ours = nest(form)
        except FieldsError:
            continue
        assert ours == theirs, form
