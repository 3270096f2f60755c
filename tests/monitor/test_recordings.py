"""Recordings in the page: from AloVoice's host alone, in ranges, within bounds."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alodial.monitor import recordings
from alodial.monitor.recordings import RecordingUnavailable, open_recording, source_of
from alodial.settings import Settings
from web.conftest import Web

from .call_stage import Stage
from .client import Operator

SOUND = bytes(range(256)) * 40
OWN = "https://cld.alovoice.uz"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
            return
        if self.path.startswith("/large"):
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            return
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        first, last = int(start), int(end or len(SOUND) - 1)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(SOUND)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(SOUND[first : last + 1])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(settings: Settings, tmp_path: Path, provider: str) -> Iterator[Web]:
    web = Web(settings.redis_url.get_secret_value(), tmp_path, PROVIDER_URL=provider)
    yield web
    web.stop()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://cld.alovoice.uz/rec/17.wav?x=1", True),
        ("https://records.alovoice.uz/17.mp3", True),
        ("https://alovoice.uz/17.mp3", True),
        ("http://cld.alovoice.uz/17.mp3", False),
        ("https://cld.alovoice.uz:8443/17.mp3", False),
        ("https://evilalovoice.uz/17.mp3", False),
        ("https://cld.alovoice.uz.evil.example/17.mp3", False),
        ("https://cld.alovoice.uz@evil.example/17.mp3", False),
        ("https://evil.example/?https://cld.alovoice.uz/", False),
        ("https://127.0.0.1/17.mp3", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
        ("https://cld.alovoice.uz/a b", False),
        ("https://cld.alovoice.uz/\r\nX: 1", False),
        ("https://cld.alovoice.uz\\@evil.example/", False),
        ("https://cld.alovoice.uz:port/", False),
        (None, False),
        (17, False),
    ],
)
def test_recordings_are_of_alovoices_hosts_alone(url: object, allowed: bool) -> None:
    assert (source_of(url, OWN) is not None) is allowed


def test_an_address_of_numbers_has_no_neighbours_and_a_private_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_of("https://10.0.0.9/17.mp3", "http://10.0.0.5:8080") is None
    assert source_of("http://10.0.0.5:8080/17.mp3", "http://10.0.0.5:8080") is not None
    beside = source_of("https://records.alovoice.uz/17.mp3", OWN)
    assert beside is not None
    rows = [(2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr("alodial.monitor.recordings.socket.getaddrinfo", lambda *_args, **_more: rows)
    with pytest.raises(RecordingUnavailable, match="not public"):
        open_recording(beside)


def test_a_recording_plays_in_the_page_whole_and_in_ranges(web: Web, stage: Stage, provider: str) -> None:
    placed = stage.place()
    submitted = stage.settle("taken")
    stage.result(submitted.extid, record=f"{provider}/rec/17.mp3")
    operator = Operator(web)
    address = f"/calls/{placed.id}/recordings/1"
    assert f'<audio controls preload="none" src="{address}"' in operator.get(f"/calls/{placed.id}").text
    whole = operator.get(address)
    assert (whole.status_code, whole.content) == (200, SOUND)
    # Never what the other side says: a page of its own would be shown under our name.
    assert whole.headers["content-type"] == "audio/mpeg"
    assert "set-cookie" not in whole.headers
    part = operator.get(address, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, SOUND[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(SOUND)}"
    assert operator.get(address, Range="bytes=1-2,4-5").status_code == 200
    assert len(web.logged("operator.acted", "call.recording")) == 1
    assert operator.get(f"/calls/{placed.id}/recordings/2").status_code == 404
    reader = Operator(web, web.http.post("/v1/keys", json={"name": "reader", "roles": ["read"]}).json()["key"])
    assert reader.get(address).status_code == 403
    assert "<audio" not in reader.get(f"/calls/{placed.id}").text


@pytest.mark.parametrize(("path", "words"), [("/redirect", "HTTP 302"), ("/large", "100 MiB")])
def test_redirects_and_endless_recordings_are_refused(provider: str, path: str, words: str) -> None:
    source = source_of(f"{provider}{path}", provider)
    assert source is not None
    with pytest.raises(RecordingUnavailable, match=words):
        open_recording(source)


def test_a_recording_is_cut_off_at_its_largest_size(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(f"{provider}/rec/17.mp3", provider)
    assert source is not None
    answer = open_recording(source)
    monkeypatch.setattr(recordings, "MAX_BYTES", 100)
    assert len(b"".join(answer.blocks())) == 100
    answer.close()
