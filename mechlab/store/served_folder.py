"""A folder on the machine's own loopback address, to be read and nothing else.

1. Only 127.0.0.1 is listened on, and only requests to a loopback name are answered: no page from elsewhere gets in by a
   name that it points here.
2. A path is decoded once and has to name, part by part, something inside the folder; links that lead out lead nowhere.
3. Files and lists of folders are handed out with their types; nothing is written and nothing is run.
"""

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from mechlab.core.errors import UsageError

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")
UNKNOWN_TYPE = "application/octet-stream"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".png": "image/png",
}
ALWAYS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Listing = Callable[[str, Sequence[str]], str]


def place_of(root: Path, target: str) -> Path | None:
    """Return the file or folder inside `root` that a request names, or None if it names none.

    Args:
        root: the folder that is served.
        target: what stands in the request, still encoded.
    """
    parts = _parts(target)
    if parts is None:
        return None
    try:
        inside, found = root.resolve(strict=True), root.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    is_kind = found.is_dir() or (found.is_file() and not target.partition("?")[0].endswith("/"))
    return found if is_kind and found.is_relative_to(inside) else None


def _parts(target: str) -> list[str] | None:
    """Return the names a request goes through; None if one is empty, hidden, `..`, or no name at all."""
    path = target.partition("?")[0].partition("#")[0]
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    if not decoded.startswith("/"):
        return None
    names = decoded[1:].removesuffix("/").split("/") if decoded != "/" else []
    is_wrong = any(not name or name.startswith(".") or "\\" in name or not name.isprintable() for name in names)
    return None if is_wrong else names


class FolderServer(ThreadingHTTPServer):
    """Serves one folder until it is shut down.

    Args:
        root: the folder.
        port: on which port; 0 is any that is free.
        listing: makes the page of a folder from its path and the names in it, folders with a slash at their end.

    Raises:
        UsageError: there is no such folder, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, root: Path, port: int, listing: Listing) -> None:
        if not root.is_dir():
            raise UsageError("no such folder", value=str(root), remedy="Give the folder of a run, or one of graphs.")
        self.root, self.listing = root, listing
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError):
            remedy = "Give another with --port; 0 takes any that is free."
            raise UsageError("port cannot be used", value=port, remedy=remedy) from None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked has hung up."""

    @property
    def url(self) -> str:
        """Return the address to open."""
        return f"http://{ADDRESS}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: FolderServer  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version, timeout = "mechlab", "", 10

    def do_GET(self) -> None:
        """Answer with a file or the list of a folder."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with what would come before the file."""
        self._answer(with_body=False)

    def _refuse(self) -> None:
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET and HEAD are answered.\n", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        if not self._is_for_us():
            self._send(HTTPStatus.FORBIDDEN, b"This address answers to 127.0.0.1 and localhost.\n", {}, with_body)
        elif (place := place_of(self.server.root, self.path)) is None:
            self._send(HTTPStatus.NOT_FOUND, b"There is no such file.\n", {}, with_body)
        elif place.is_dir():
            self._send_folder(place, with_body)
        else:
            self._send_file(place, with_body)

    def _is_for_us(self) -> bool:
        """Return whether the request names this machine: a page from elsewhere would name its own host."""
        hosts = self.headers.get_all("Host", [])
        port = self.server.server_port
        return len(hosts) == 1 and hosts[0].strip().lower() in {*(f"{name}:{port}" for name in NAMES), *_bare(port)}

    def _send_folder(self, place: Path, with_body: bool) -> None:
        path = "/".join(["", *(_parts(self.path) or []), ""])
        asked = self.path.partition("?")[0].partition("#")[0]
        if not asked.endswith("/"):
            self._send(HTTPStatus.MOVED_PERMANENTLY, b"", {"Location": quote(path)}, with_body)
            return
        found = {one.name: place_of(self.server.root, quote(path + one.name)) for one in sorted(place.iterdir())}
        names = [f"{name}/" if one.is_dir() else name for name, one in found.items() if one is not None]
        page = self.server.listing(path, names).encode("utf-8", "backslashreplace")
        self._send(HTTPStatus.OK, page, {"Content-Type": TYPES[".html"]}, with_body)

    def _send_file(self, place: Path, with_body: bool) -> None:
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            self._send(HTTPStatus.NOT_FOUND, b"There is no such file.\n", {}, with_body)
            return
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                self._send(HTTPStatus.NOT_FOUND, b"There is no such file.\n", {}, with_body)
                return
            kind = TYPES.get(place.suffix.lower(), UNKNOWN_TYPE)
            self._head(HTTPStatus.OK, {"Content-Type": kind, "Content-Length": str(state.st_size)})
            if with_body:
                shutil.copyfileobj(file, self.wfile)

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str], with_body: bool = True) -> None:
        plain = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
        self._head(status, plain | headers)
        if with_body:
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (ALWAYS | headers).items():
            self.send_header(name, value)
        self.end_headers()


def _bare(port: int) -> tuple[str, ...]:
    """Return names without a port, which browsers send for port 80."""
    return NAMES if port == 80 else ()
