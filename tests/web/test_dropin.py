"""POST /requestcall/{api key}: AloVoice's own request."""

import json
from typing import Any

import httpx
import pytest

from .conftest import API_KEY, Web

PATH = f"/requestcall/{API_KEY}"
BRACKETS = {
    "callfrom[phone]": "712037006",
    "callfrom[lang]": "ru",
    "callto[0][phone]": "994412860",
    "callto[0][lang]": "ru",
    "callto[1][phone]": "977076909",
    "callto[1][lang]": "uz",
    "extid": "123123",
}
NESTED: dict[str, Any] = {
    "callfrom": {"phone": "712037006", "lang": "ru"},
    "callto": [{"phone": "994412860", "lang": "ru"}, {"phone": "977076909", "lang": "uz"}],
    "extid": "123123",
}
JSON_PARTS = {"callfrom": json.dumps(NESTED["callfrom"]), "callto": json.dumps(NESTED["callto"]), "extid": "123123"}


def parts(fields: dict[str, str]) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in fields.items()}


def test_every_form_of_the_request_is_the_same_call(web: Web) -> None:
    answers = [
        web.http.post(PATH, files=parts(BRACKETS)),
        web.http.post(PATH, files=parts(JSON_PARTS)),
        web.http.post(PATH, data=BRACKETS),
        web.http.post(PATH, json=NESTED),
        web.http.post(PATH, content=json.dumps(NESTED)),
        web.http.post(f"{PATH}/", data=BRACKETS),
    ]
    assert [a.status_code for a in answers] == [200] * 6
    assert len({a.text for a in answers}) == 1
    assert answers[0].json()["answer"]["extid"] == "123123"
    record = web.http.get("/v1/calls/123123").json()
    assert record["request"]["callto"][1] == {"phone": "+998977076909", "lang": "uz"}


def test_a_call_into_an_ivr_menu_and_one_to_a_queue_are_understood(web: Web) -> None:
    ivr = web.http.post(PATH, files=parts({"callto": "712037006", "ivrid": "222", "fromline": "712037006"}))
    queue = web.http.post(PATH, data={"callfrom[phone]": "712037006", "callto[0][queue]": "6000"})
    assert (ivr.status_code, queue.status_code) == (200, 200)
    assert web.http.get(f"/v1/calls/{ivr.json()['answer']['extid']}").json()["request"]["ivrid"] == 222


def test_the_same_extid_with_another_body_is_a_conflict(web: Web) -> None:
    assert web.http.post(PATH, json=NESTED).status_code == 200
    answer = web.http.post(PATH, json=NESTED | {"callfrom": "712037007"})
    assert answer.status_code == 409
    assert "extid" in answer.json()["error"]


def test_a_wrong_key_is_refused_the_same_way_whatever_is_sent_and_a_long_one_by_its_beginning(web: Web) -> None:
    texts = set()
    for key in ("x", API_KEY[:-1], API_KEY + "x", "planted-callback-secret-51b2", "ключ", "%F0%9F"):
        answer = httpx.post(f"{web.url}/requestcall/{key}", json=NESTED)
        assert answer.status_code == 401
        texts.add(answer.json()["error"])
    plain = "the key in the address is not one of this installation"
    assert texts == {plain, f"{plain}; it begins with {API_KEY[:2]}…", f"{plain}; it begins with pl…"}


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b"", "application/json", "empty"),
        (b"{}", "application/json", "callfrom"),
        (b"callto=12&ivrid=1&fromline=712037006", "application/x-www-form-urlencoded", "callto"),
        (b"callto=994412860&ivrid=x&fromline=712037006", "application/x-www-form-urlencoded", "ivrid"),
        (b"callto[9999][phone]=1", "application/x-www-form-urlencoded", "index"),
        (b"a[b][c][d][e][f][g][h][i][j][k]=1", "application/x-www-form-urlencoded", "nested"),
        (b"=%FF", "application/x-www-form-urlencoded", "UTF-8"),
        (b"&".join(b"a=1" for _ in range(3000)), "application/x-www-form-urlencoded", "2000"),
        (b"x", "multipart/form-data", "multipart"),
        (b"x", "multipart/form-data; boundary=b", "multipart"),
        (
            b'--b\r\nContent-Disposition: form-data; name="callto"; filename="a"\r\n\r\n1\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            "file",
        ),
        (b"[" * 60_000, "application/json", "deep"),
        (b"[1]", "application/json", "object"),
    ],
)
def test_a_bad_body_is_refused_with_what_is_wrong(web: Web, body: bytes, content_type: str, named: str) -> None:
    answer = web.http.post(PATH, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_a_body_above_sixty_four_kibibytes_is_refused(web: Web) -> None:
    answer = web.http.post(PATH, content=b" " * (64 * 1024 + 1))
    assert answer.status_code == 413
    assert "65536" in answer.json()["error"]
