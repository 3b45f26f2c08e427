"""A server on this machine that breaks off, stalls, refuses and lies as servers on the web do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, with ranges, unless `server.faults` holds something else for the next requests."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        fault = server.faults.pop(0) if server.faults else {}
        status, body = fault.get("status", 200), fault.get("body", server.files.get(self.path))
        if body is None:
            status, body = 404, b"nothing here"
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges and status == 200 else 0
        if start:
            status = 206 if start < len(body) else 416
        self.send_response(status)
        self.send_header("Content-Type", fault.get("type", "application/zip"))
        self.send_header("Content-Length", str(len(body[start:])))
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
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.kaggle)))
        self.end_headers()
        self.wfile.write(self.server.kaggle)

    def log_message(self, *_):
        pass


@contextmanager
def serve() -> Iterator[ThreadingHTTPServer]:
    """Run a server of what its `files` hold by path; `address` is where it is, `asked` what it was asked for."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.files, running.faults, running.asked, running.ranges = {}, [], [], True
    running.released = threading.Event()
    running.address = f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield running
    finally:
        running.released.set()
        running.shutdown()
        running.server_close()
