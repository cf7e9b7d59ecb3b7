"""A W&B server on the loopback that answers what is needed to create, resume and finish a run, and that can be stopped.

It answers the GraphQL operations by name, keeps the history lines that clients stream to it, and counts them when a
run is resumed. What it does not know it answers with a GraphQL error, as a server of another version would.
"""

import gzip
import json
import re
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "0123456789" * 4
"""Looks like a key (40 characters); it belongs to no account."""


class FakeServer:
    """`with FakeServer() as server:` serves until the block ends or `stop()` is called.

    `history[run]` holds the rows streamed so far, `requests` the names of the operations. `silent=True` accepts
    connections and never answers; `reject=True` answers every request with 401, as for a wrong key.
    """

    def __init__(self, *, silent: bool = False, reject: bool = False) -> None:
        self.silent, self.reject = silent, reject
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.runs: dict[str, dict[str, Any]] = {}
        self.views: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.stopped = threading.Event()

    def __enter__(self) -> "FakeServer":
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                while server.silent and not server.stopped.is_set():
                    time.sleep(0.05)
                if server.stopped.is_set():
                    self.close_connection = True
                    return
                if server.reject:
                    self.reply(401, {"errors": [{"message": "user is not logged in"}]})
                    return
                self.reply(200, server.handle(self.path, body))

            def reply(self, status: int, answer: object) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port: from now on connections are refused, and those that are open get no answer."""
        if not self.stopped.is_set():
            self.stopped.set()
            self.http.shutdown()
            self.http.server_close()

    def handle(self, path: str, body: bytes) -> dict[str, Any]:
        if path.startswith("/sdk/otel"):  # the client's own telemetry
            return {}
        if path.endswith("/file_stream"):
            run = path.split("/")[-2]
            chunk = json.loads(body).get("files", {}).get("wandb-history.jsonl")
            if chunk:
                # The offset is the line where the chunk goes, so a repeated request replaces what it had sent.
                rows = self.history[run]
                rows[chunk["offset"] :] = [json.loads(line) for line in chunk["content"]]
            self.requests.append("file_stream")
            return {"exitcode": None, "limits": {}}
        if path != "/graphql":
            self.requests.append(path)
            return {}
        query = json.loads(body)
        named = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
        name = query.get("operationName") or (named.group(1) if named else "")
        self.requests.append(name)
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            return {"data": None, "errors": [{"message": f"the fake server does not know {name}"}]}
        return {"data": answer(query.get("variables") or {})}

    def _Viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        teams: dict[str, list[Any]] = {"edges": []}
        return {"viewer": {"id": "1", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": teams}}

    def _GetDefaultEntity(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"viewer": {"id": "1", "entity": "me"}}

    def _UpsertView2(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.views.append(variables)
        return {"upsertView": {"view": {"id": "1", "name": variables["name"]}, "inserted": True}}

    def _ServerFeaturesQuery(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _UpsertBucket(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(variables["name"], {})
        run.update({key: value for key, value in variables.items() if value is not None})
        project = {"id": "1", "name": run.get("project"), "entity": {"id": "1", "name": "me"}}
        bucket = {"id": "1", "name": variables["name"], "displayName": run.get("displayName"), "project": project}
        return {"upsertBucket": {"bucket": bucket | {"sweepName": None, "historyLineCount": 0}, "inserted": True}}

    def _RunResumeStatus(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(variables["name"])
        model = {"id": "1", "name": variables["project"], "entity": {"id": "1", "name": "me"}}
        if run is None:
            return {"model": model | {"bucket": None}}
        rows = self.history[variables["name"]]
        bucket = {
            "id": "1",
            "name": variables["name"],
            "displayName": run.get("displayName"),
            "summaryMetrics": json.dumps({key: rows[-1][key] for key in ("_step", "_runtime")} if rows else {}),
            "historyLineCount": len(rows),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]),
            "eventsTail": "[]",
            "config": run.get("config", "{}"),
            "tags": run.get("tags", []),
            "wandbConfig": json.dumps({"t": {"5": "0.31"}}),
        }
        return {"model": model | {"bucket": bucket}}
