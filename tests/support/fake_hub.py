"""A server on this machine that speaks as much of the hub's protocol as downloads need."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PATH = re.compile(r"/(api/)?(models/|datasets/)?([\w.-]+/[\w.-]+)(?:/(\w+)/([^/?]+))?(?:/([^?]+))?")


class FakeHub:
    """Repositories ("models/a/b", "datasets/a/b") -> folder; `gated` ones only list their files.

    `requests` collects method and path of each request. `token` is the only one that is accepted.
    `cut` names a file whose first download breaks off half-way.
    """

    def __init__(self, repositories: dict[str, Path], gated: tuple[str, ...] = ()):
        self.repositories, self.gated = repositories, gated
        self.requests: list[str] = []
        self.token = self.cut = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        """From now on the hub cannot be reached."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request) -> None:
        self.requests.append(f"{request.command} {request.path}")
        api, kind, name, verb, revision, file = PATH.fullmatch(request.path.split("?")[0]).groups()
        repository = f"{kind or 'models/'}{name}"
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token != self.token:
            send(request, 401, X_Error_Message="Invalid credentials in Authorization header")
        elif repository not in self.repositories:
            send(request, 404 if token else 401, X_Error_Code="RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            send(request, 404, X_Error_Code="RevisionNotFound")
        elif api:
            files = described(self.repositories[repository])
            about = {"id": name, "sha": COMMIT, "siblings": []}
            send(request, 200, json.dumps(files if verb == "tree" else about).encode())
        elif repository in self.gated and not token:
            send(request, 401, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted")
        else:
            broken = self.cut == file and request.command == "GET"
            self.cut = None if broken else self.cut
            send_file(request, self.repositories[repository] / file, broken)


def described(folder: Path) -> list[dict]:
    """The tree as the hub lists it: weights as large files with sha256, others with git's sha1."""
    files = []
    for path in sorted(f for f in folder.rglob("*") if f.is_file()):
        content = path.read_bytes()
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        file = {"type": "file", "path": str(path.relative_to(folder))}
        file |= {"size": len(content), "oid": oid}
        if path.suffix in (".safetensors", ".bin"):
            sha = hashlib.sha256(content).hexdigest()
            file["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 134}
        files.append(file)
    return files


def send(request, status: int, content: bytes = b"", broken=False, **headers: str) -> None:
    request.send_response(status)
    for key, value in headers.items():
        request.send_header(key.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content[: len(content) // 2] if broken else content)
        request.close_connection = broken


def send_file(request, path: Path, broken: bool) -> None:
    """With its checksum as ETag, from where the client broke off."""
    if not path.is_file():
        return send(request, 404, X_Error_Code="EntryNotFound")
    about = next(f for f in described(path.parent) if f["path"] == path.name)
    etag = about["lfs"]["oid"] if "lfs" in about else about["oid"]
    content = path.read_bytes()
    start = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
    headers = {"ETag": f'"{etag}"', "X_Repo_Commit": COMMIT}
    headers |= {"X_Linked_Etag": f'"{etag}"', "X_Linked_Size": str(len(content))}
    if start and request.command == "GET":
        first = int(start[1])
        headers["Content_Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return send(request, 206, content[first:], **headers)
    return send(request, 200, content, broken, **headers)
