"""Kaggle's own client against a server on this machine that speaks its protocol."""

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from satseg.config.sources import KaggleSource
from satseg.data.sources import kaggle
from satseg.errors import UserError

SOURCE = KaggleSource(kind="kaggle", slug="someone/aerial-images")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server whose `answer` is (status, body), reached as the client's endpoint by way of a proxy
    setting."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            self.server.asked.append(
                (self.path, self.rfile.read(length), self.headers.get("Authorization"))
            )
            status, body = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.asked = []
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{running.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.setattr(KaggleApi, "args", ["--local"], raising=False)
    yield running
    running.shutdown()
    running.server_close()


def test_downloads_and_unpacks(server, tmp_path, capfd):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("set/images/1.jpg", b"picture")
    server.answer = (200, body.getvalue())
    folder = tmp_path / "raw"
    folder.mkdir()
    kaggle.fetch(SOURCE, folder)
    assert (folder / "set/images/1.jpg").read_bytes() == b"picture"
    assert [p.name for p in folder.iterdir()] == ["set"]
    path, asked, authorization = server.asked[0]
    assert path.endswith("DownloadDataset") and b"aerial-images" in asked and authorization
    assert "0123456789abcdef" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("status", "body"), [(403, b"{}"), (404, b"{}"), (200, b"<html>sign in</html>")]
)
def test_a_refusal_is_one_line(server, tmp_path, status, body):
    server.answer = (status, body)
    with pytest.raises(UserError) as error:
        kaggle.fetch(SOURCE, tmp_path)
    assert "aerial-images" in str(error.value) and "\n" not in str(error.value)


def test_no_credentials_names_both_ways_out(monkeypatch, tmp_path):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"kaggle\.json.*`path`") as error:
        kaggle.fetch(SOURCE, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["file", "browser", "of another"])
def test_no_token_is_shown(server, place):
    """Wherever the client has it from."""
    from kaggle.api.kaggle_api_extended import KaggleApi

    api = KaggleApi()
    token = {"file": "KGAT_0123abcd", "browser": "eyJhbGciOi.J9-x_y", "of another": "KGRT_9876fedc"}
    if place != "of another":
        api.config_values[api.CONFIG_NAME_TOKEN] = token[place]
    shown = kaggle._hidden(f"403: no access with {token[place]}", api)
    assert shown == "403: no access with ***"
    assert kaggle._hidden("Authorization: Bearer abc.def", api) == "Authorization: Bearer ***"
