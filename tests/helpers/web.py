"""A local server that drops connections, stalls, refuses and lies as servers on the web do."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from satseg.config.sources import HttpSource


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, with ranges, unless `server.faults` holds another answer for the next
    request."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append((self.path, wanted))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        fault = server.faults.pop(0) if server.faults else {}
        status = fault.get("status", 200)
        body = fault.get("body", server.files.get(self.path))
        if body is None:
            status = 404
            body = b"nothing here"

        start = 0
        if wanted and server.ranges and status == 200:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start:
            status = 206 if start < len(body) else 416
        self.send_response(status)
        self.send_header("Content-Type", fault.get("type", "application/zip"))
        length = fault.get("length", len(body[start:]))
        if length is not None:
            self.send_header("Content-Length", str(length))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start:][: fault.get("cut")])
        self.wfile.flush()
        if "stall" in fault:
            server.released.wait(fault["stall"])
        self.close_connection = True

    def do_POST(self):
        """Kaggle's way of asking for a dataset."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers.get("Authorization"))
        self.server.asked_for_a_dataset()
        status, body = (
            self.server.faults.pop(0) if self.server.faults else (200, self.server.kaggle)
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serve() -> Iterator[ThreadingHTTPServer]:
    """Run a server of its `files`, by path; `address` is its URL, `asked` the requests so far.

    As Kaggle it answers with `kaggle`; `keys` are the keys it was sent.
    """
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.files = {}
    running.faults = []
    running.asked = []
    running.ranges = True
    running.redirects = {}
    running.keys = []
    running.asked_for_a_dataset = lambda: None
    running.released = threading.Event()
    running.address = f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield running
    finally:
        running.released.set()
        running.shutdown()
        running.server_close()


def source(server, content, path="/data/a.zip", algorithm="sha256", **more) -> HttpSource:
    """The source of an archive with this content, at a path on the server."""
    digest = hashlib.new(algorithm, content).hexdigest()
    return HttpSource(
        kind="http",
        files=[{"url": server.address + path, "checksum": f"{algorithm}:{digest}"}],
        **more,
    )
