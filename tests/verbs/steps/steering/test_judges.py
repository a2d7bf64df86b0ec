"""Judges are opened by where they are; an address is asked as OpenAI's is, and what goes wrong is one line."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mechlab.core.errors import UsageError
from mechlab.metrics.judged import key_of
from mechlab.store.answers_file import write_answers
from mechlab.verbs.steps.steering.judges import KEY_NAME, MODEL_NAME, open_judged, url_judge


@pytest.fixture
def server():
    """Return a server that notes what it is asked and says what it is told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.asked.append((self.path, self.headers.get("Authorization"), body))
            said = {"choices": [{"message": {"content": served.say}}]} if served.whole is None else served.whole
            self.send_response(served.status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            return

    served = HTTPServer(("127.0.0.1", 0), Handler)
    served.asked, served.say, served.whole, served.status = [], "7", None, 200
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/v1"


def test_an_address_is_asked_with_question_text_key_and_model(server, monkeypatch):
    monkeypatch.setenv(KEY_NAME, "secret")
    monkeypatch.setenv(MODEL_NAME, "judge-1")
    assert open_judged("About winter?", address(server)).answer("Snow fell.") == 0.7
    ((path, key, body),) = server.asked
    assert (path, key, body["model"], body["temperature"]) == ("/v1/chat/completions", "Bearer secret", "judge-1", 0)
    assert "About winter?" in body["messages"][1]["content"] and "Snow fell." in body["messages"][1]["content"]


@pytest.mark.parametrize("said", ["11", "seven", "", "7 of 10", "-1"])
def test_an_answer_that_is_no_number_from_0_to_10_is_refused(server, said):
    server.say = said
    with pytest.raises(UsageError, match="judge's answer is no number from 0 to 10"):
        url_judge(address(server))("About winter?", "Snow fell.")


@pytest.mark.parametrize("whole", [{}, {"choices": []}, [], 3])
def test_an_answer_of_another_form_is_one_line(server, whole):
    server.whole = whole
    with pytest.raises(UsageError, match="judge does not answer"):
        url_judge(address(server))("About winter?", "Snow fell.")


def test_a_refusal_and_nobody_there_are_one_line_without_the_key(server, monkeypatch):
    monkeypatch.setenv(KEY_NAME, "secret")
    server.status = 401
    with pytest.raises(UsageError, match="judge does not answer") as refused:
        url_judge(address(server))("About winter?", "Snow fell.")
    assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match="judge does not answer"):
        url_judge("http://127.0.0.1:1/v1")("About winter?", "Snow fell.")


def test_a_file_of_answers_is_a_judge(tmp_path):
    write_answers(tmp_path / "answers.json", {key_of("About winter?", "Snow fell."): 1.0})
    judged = open_judged("About winter?", str(tmp_path / "answers.json"))
    assert judged.answer("Snow fell.") == 1.0
    with pytest.raises(UsageError, match="no recorded answer"):
        judged.answer("Rain fell.")
