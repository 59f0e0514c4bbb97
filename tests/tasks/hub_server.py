"""A Hub on this machine: the part of its HTTP interface by which data sets are loaded."""

import fnmatch
import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def serve(
    repositories: dict[tuple[str, str], Path], gated: set[str], heard: list[str] | None = None
) -> Iterator[str]:
    """Serves folders as data sets by (id, revision); yields the address for HF_ENDPOINT.

    What askers prove who they are by is added to `heard`.
    """
    members = {"repositories": repositories, "gated": gated, "heard": heard}
    handler = type("Handler", (_Handler,), members)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    repositories: dict[tuple[str, str], Path]
    gated: set[str]
    heard: list[str] | None

    def do_GET(self):
        if self.heard is not None:
            self.heard.append(self.headers.get("Authorization", ""))
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        for pattern, answer in (
            ("/datasets/*/resolve/*", self._file),
            ("/api/datasets/*/tree/*", self._tree),
            ("/api/datasets/*", self._info),
        ):
            if fnmatch.fnmatchcase(path, pattern):
                return answer(path)
        return self._refuse(404, "EntryNotFound")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        wanted = urllib.parse.parse_qs(body).get("paths") or json.loads(body)["paths"]
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        found = self._find(path.removeprefix("/api"), "/paths-info/")
        if found:
            folder, _ = found
            entries = [_entry(folder, folder / name) for name in wanted]
            self._send(json.dumps([entry for entry in entries if entry]).encode())

    def _find(self, path: str, verb: str) -> tuple[Path, str] | None:
        """The folder of a data set and what stands behind the revision, or an error sent."""
        name, _, rest = path.removeprefix("/datasets/").partition(verb)
        revisions = {revision for identifier, revision in self.repositories if identifier == name}
        if not revisions:
            return self._refuse(404, "RepoNotFound")
        if name in self.gated:
            return self._refuse(403, "GatedRepo")
        by_commit = {_commit(revision): revision for revision in revisions}
        for written in sorted([*revisions, *by_commit], key=len, reverse=True):
            if rest == written or rest.startswith(f"{written}/"):
                revision = by_commit.get(written, written)
                self.commit = _commit(revision)
                return self.repositories[name, revision], rest.removeprefix(written).strip("/")
        return self._refuse(404, "RevisionNotFound")

    def _info(self, path: str) -> None:
        name, slash, revision = path.removeprefix("/api").partition("/revision/")
        found = self._find(f"{name}/revision/{revision if slash else 'main'}", "/revision/")
        if found:
            folder, _ = found
            files = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
            siblings = [{"rfilename": name} for name in files]
            about = {"id": name.removeprefix("/datasets/"), "sha": self.commit}
            self._send(json.dumps(about | {"siblings": siblings, "tags": []}).encode())

    def _tree(self, path: str) -> None:
        found = self._find(path.removeprefix("/api"), "/tree/")
        if found:
            folder, inside = found
            top = folder / inside
            if not top.exists():
                return self._refuse(404, "EntryNotFound")
            recursive = "recursive=true" in self.path.lower()
            paths = sorted(top.rglob("*") if recursive else top.iterdir())
            self._send(json.dumps([_entry(folder, path) for path in paths]).encode())

    def _file(self, path: str) -> None:
        found = self._find(path, "/resolve/")
        if found:
            folder, name = found
            if not (folder / name).is_file():
                return self._refuse(404, "EntryNotFound")
            content = (folder / name).read_bytes()
            self._send(content, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": self.commit})

    def _send(self, content: bytes, headers: dict[str, str] | None = None) -> None:
        start = 0
        if bounds := self.headers.get("Range"):
            start, _, end = bounds.removeprefix("bytes=").partition("-")
            start, total = int(start), len(content)
            content = content[start : int(end) + 1 if end else None]
            headers = {**(headers or {}), "Content-Range": f"bytes {start}-*/{total}"}
        self.send_response(206 if bounds else 200)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


def _entry(folder: Path, path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    name = str(path.relative_to(folder))
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": _commit(name), "size": 0}
    content = path.read_bytes()
    return {"type": "file", "path": name, "oid": _oid(content), "size": len(content)}


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _commit(revision: str) -> str:
    return _oid(revision.encode())
