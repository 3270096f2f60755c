"""A cassette is played: each form is answered as it was, and the recorded results follow."""

import json
from pathlib import Path

import httpx
import pytest

from alodial_workers.sandbox.cassette import Cassette, CassetteCallback, CassettePost, cassette_text, read_cassette

from .conftest import Receiver, sandbox_with

CASSETTE = Cassette(
    posts=(
        CassettePost(form="multipart-brackets", status=400, body="no", rang=False),
        CassettePost(form="json", status=200, body='{"answer": {"extid": "{extid}"}}', rang=True),
    ),
    callbacks=(CassetteCallback(content_type="application/json", body='{"externalid": {extid}, "to": "{phone}"}'),),
)


def test_each_form_is_answered_as_recorded_and_only_what_rang_rings(receiver: Receiver) -> None:
    with sandbox_with(cassette=CASSETTE, callback_url=receiver.url) as sandbox:
        brackets = {"callfrom[phone]": "712037006", "callto[0][phone]": "994412860", "extid": "7"}
        fields = {name: (None, value) for name, value in brackets.items()}
        refused = sandbox.http.post("/requestcall/token", files=fields)
        assert (refused.status_code, refused.text, sandbox.ledger()["rung"]) == (400, "no", 0)
        # An ending that would make trouble: a cassette alone says what happens.
        assert sandbox.two_way("994412889", extid="17").json() == {"answer": {"extid": "17"}}
        assert receiver.results(1) == [{"externalid": 17, "to": "712037006"}]
        assert sandbox.ledger()["rung"] == 1


def test_an_answer_that_was_lost_is_lost_again() -> None:
    lost = Cassette(posts=(CassettePost(form="json", status=None, rang=True),))
    with sandbox_with(cassette=lost) as sandbox:
        with pytest.raises(httpx.RemoteProtocolError):
            sandbox.two_way("994412860", extid="18")
        assert sandbox.ledger()["rung"] == 1


def test_a_cassette_is_read_as_it_was_written_and_a_wrong_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(cassette_text(CASSETTE))
    assert read_cassette(path) == CASSETTE
    path.write_text(json.dumps({"cassette": 1, "posts": [{"form": "xml", "rang": True}]}))
    with pytest.raises(ValueError, match=r"posts\.0\.form"):
        read_cassette(path)
    with pytest.raises(ValueError, match="cannot read"):
        read_cassette(tmp_path / "none.json")
