"""`mechlab show RUN`: what a run is, what it measured, where its page is."""

import shutil
import webbrowser

from small_run import call


def test_it_shows_the_run_its_numbers_and_its_page(trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out, _ = trained
    done = call("show", out)
    assert (done.code, done.err) == (0, "")
    assert f"page: {out / 'report.html'}" in done.out
    assert "train topk" in done.out and "tales" in done.out and "resid_post.0" in done.out
    assert "explained_variance" in done.out.replace(" ", "_")
    assert "parents" not in done.out


def test_json_has_the_numbers_and_the_page(trained):
    out, made = trained
    data = call("show", out, "--json").data
    assert data.pop("report") == str(out / "report.html")
    assert data == made.data


def test_a_run_is_found_by_the_first_digits_of_its_id(trained, judged):
    out, made = trained
    assert call("show", made.data["id"][:8], "--root", out.parent, "--json").data["run"] == str(out)
    child = call("show", judged[0], "--root", out.parent)
    assert made.data["id"] in child.out


def test_the_page_is_opened_only_when_asked(trained, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    call("show", trained[0])
    assert not opened
    call("show", trained[0], "--open")
    assert opened == [(trained[0] / "report.html").resolve().as_uri()]


def test_a_damaged_page_is_refused(trained, tmp_path):
    copied = shutil.copytree(trained[0], tmp_path / "copied")
    (copied / "report.html").write_text("<html>")
    done = call("show", copied)
    assert (done.code, done.out) == (2, "")
    assert "report.html" in done.line and str(copied) in done.line


def test_what_is_no_run_is_refused(tmp_path):
    done = call("show", "nothing-here")
    assert (done.code, done.line.startswith("error: unknown run: 'nothing-here'")) == (2, True)
