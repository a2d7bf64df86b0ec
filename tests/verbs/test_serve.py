"""`mechlab serve`: prints its address, serves the folder's pages, ends quietly at Ctrl-C, refuses what it cannot."""

import re
import select
import signal
import urllib.error
import urllib.request

import pytest
from small_run import call, spawn, wait


@pytest.mark.parametrize("quiet", [(), ("--quiet",)], ids=["aloud", "quiet"])
def test_a_folder_is_served_until_it_is_stopped_and_its_address_is_said_at_once(tmp_path, quiet):
    (tmp_path / "graph.html").write_text("<h1>graph</h1>")
    process = spawn("serve", tmp_path, "--port", 0, "--json", *quiet)
    assert select.select([process.stderr], [], [], 60)[0] or process.kill(), "the address has not been said"
    line = process.stderr.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
    with urllib.request.urlopen(f"{url}graph.html", timeout=10) as answer:
        assert answer.read() == b"<h1>graph</h1>"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert 'href="./graph.html"' in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{url}%2e%2e/{tmp_path.name}/graph.html", timeout=10)
    process.send_signal(signal.SIGINT)
    done = wait(process)
    assert (done.code, done.data) == (0, {"folder": str(tmp_path), "url": url})
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("nowhere",), "no such folder: 'nowhere'"), ((".", "--port", 70000), "port")],
)
def test_what_cannot_be_served_is_refused_in_one_line(words, said):
    done = call("serve", *words)
    assert (done.code, done.out) == (2, "") and said in done.line
