"""A served folder answers this machine with what is inside it, and nobody with anything else."""

import os
import socket
import threading
from pathlib import Path

import pytest

from mechlab.core.errors import UsageError
from mechlab.store.served_folder import FolderServer, place_of


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder with pages, and beside it a secret that links, dots and doubled slashes try to reach."""
    outside = tmp_path_factory.mktemp("machine")
    (outside / "secret.txt").write_text("secret")
    root = outside / "served"
    (root / "data").mkdir(parents=True)
    (root / "page.html").write_text("<h1>page</h1>")
    (root / "data" / "graph é.json").write_text('{"a": 1}')
    (root / "weights.safetensors").write_bytes(bytes(range(256)) * 4096)
    (root / ".hidden").write_text("secret")
    (root / "inside.html").symlink_to(root / "page.html")
    (root / "outside.txt").symlink_to(outside / "secret.txt")
    (root / "up").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture(scope="module")
def server(root):
    with FolderServer(root, 0, lambda path, names: f"{path}|{','.join(names)}") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, target: str, method: str = "GET", host: str | None = "127.0.0.1:{port}", more: str = "") -> tuple:
    """Send a request as it is written, and return its status, headers in small letters, and body."""
    named = "" if host is None else f"Host: {host.format(port=server.server_port)}\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
        line.sendall(f"{method} {target} HTTP/1.1\r\n{named}{more}\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(one.lower().split(": ", 1) for one in lines), body


def test_files_come_whole_and_with_their_types(server, root):
    wanted = {
        "/page.html": "text/html; charset=utf-8",
        "/page.html?theme=dark": "text/html; charset=utf-8",
        "/inside.html": "text/html; charset=utf-8",
        "/data/graph%20%C3%A9.json": "application/json",
        "/weights.safetensors": "application/octet-stream",
    }
    for target, kind in wanted.items():
        status, headers, body = ask(server, target)
        place = place_of(root, target)
        assert (status, headers["content-type"], body) == (200, kind, place.read_bytes())
        assert int(headers["content-length"]) == len(body) and headers["x-content-type-options"] == "nosniff"
        assert ask(server, target, "HEAD")[::2] == (200, b"")
        assert ask(server, target, "HEAD")[1]["content-length"] == headers["content-length"]


def test_a_folder_lists_what_can_be_had_and_nothing_else(server):
    status, headers, body = ask(server, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.decode() == "/|data/,inside.html,page.html,weights.safetensors"
    assert ask(server, "/data/")[2].decode() == "/data/|graph é.json"
    status, headers, body = ask(server, "/data")
    assert (status, headers["location"], body) == (301, "/data/", b"")


@pytest.mark.parametrize(
    "target",
    [
        "/data/../../secret.txt",
        "/../secret.txt",
        "/data/../../../../../../../etc/hostname",
        "/data//etc/hostname",
        "//etc/hostname",
        "///etc/hostname",
        "/data/%2e%2e/%2e%2e/secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/data/..%5c..%5csecret.txt",
        "/%2fetc/hostname",
        "/etc/hostname",
        "/outside.txt",
        "/up/secret.txt",
        "/up/",
        "/loop",
        "/pipe",
        "/.hidden",
        "/page.html/",
        "/page.html%00.txt",
        "/page%0d%0ax.html",
        "/%ff%fe",
        "/./page.html",
        "/data/.",
        "/nothing",
        "/" + "a" * 5000,
        "page.html",
        "http://127.0.0.1/../secret.txt",
        "file:///etc/hostname",
    ],
)
def test_nothing_outside_is_given(server, target):
    status, _, body = ask(server, target)
    assert status == 404 and b"secret" not in body
    with open("/etc/hostname", "rb") as file:  # noqa: PTH123
        assert file.read() not in body


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:{port}", "127.0.0.1.nip.io:{port}", "127.0.0.1", "localhost:1", "", None],
)
def test_a_name_from_elsewhere_that_points_here_is_refused(server, host):
    status, _, body = ask(server, "/page.html", host=host)
    assert status == 403 and b"<h1>" not in body


def test_two_names_are_refused_and_every_name_of_this_machine_is_served(server):
    assert ask(server, "/page.html", more="Host: attacker.example\r\n")[0] == 403
    for host in ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"):
        assert ask(server, "/page.html", host=host)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_nothing_is_written(server, root, method):
    before = {path.name: path.stat().st_mtime_ns for path in root.iterdir() if not path.is_symlink()}
    status, headers, _ = ask(server, "/page.html", method, more="Content-Length: 0\r\n")
    assert (status, headers["allow"]) == (405, "get, head")
    assert ask(server, "/page.html", "BREW")[0] == 501
    assert {path.name: path.stat().st_mtime_ns for path in root.iterdir() if not path.is_symlink()} == before


def test_only_the_loopback_address_is_listened_on(server):
    assert server.server_address[0] == "127.0.0.1" and server.url == f"http://127.0.0.1:{server.server_port}/"


def test_a_folder_that_is_not_there_and_a_port_that_is_taken_are_refused(server, root):
    with pytest.raises(UsageError, match="no such folder"):
        FolderServer(root / "page.html", 0, lambda path, names: "")
    with pytest.raises(UsageError, match=f"port cannot be used: {server.server_port}"):
        FolderServer(root, server.server_port, lambda path, names: "")


def test_what_hangs_up_is_not_told(server, capfd):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
        line.sendall(b"GET /weights.safetensors HTTP/1.1\r\nHost: localhost")
    assert ask(server, "/page.html")[0] == 200
    assert capfd.readouterr().err == ""
