"""An HTTP server on the loopback that serves one file, as well or as badly as a test asks for."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = 1 << 16


@dataclass
class ArchiveServer:
    """What to serve and how; what was asked.

    Attributes:
        content: the file.
        ranges: whether Range requests are understood.
        cuts: for each of the first requests, after how many bytes the connection breaks.
        status: answer every request with this instead.
        delay: seconds before each answer.
        sent: bytes handed to the connection so far.
        asked: the Range header of every request so far, None where there was none.
    """

    content: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    delay: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["ArchiveServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/pictures.zip"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                archive.asked.append(self.headers.get("Range"))
                time.sleep(archive.delay)
                if archive.status != 200:
                    self.send_error(archive.status)
                    return
                found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if archive.ranges else None
                start = int(found[1]) if found else 0
                if start and start >= len(archive.content):
                    self.send_error(416)
                    return
                body = archive.content[start:]
                self.send_response(206 if found else 200)
                if found:
                    self.send_header(
                        "Content-Range", f"bytes {start}-{len(archive.content) - 1}/{len(archive.content)}"
                    )
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                body = body[: archive.cuts.pop(0)] if archive.cuts else body
                with suppress(ConnectionError):  # the client may hang up
                    for place in range(0, len(body), _PIECE):
                        self.wfile.write(body[place : place + _PIECE])
                        archive.sent += len(body[place : place + _PIECE])

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
