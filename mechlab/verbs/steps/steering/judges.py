"""Judges by where they are: an address that speaks as OpenAI's does, a language model on disk, a file of answers.

None is ever needed: a concept can always be a pattern. The address gets one text at a time; its key is taken from the
environment and appears in no file and no message.
"""

import json
import os
import re
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from mechlab.core.errors import UsageError
from mechlab.metrics.judged import Judge, Judged, model_judge, recorded_judge
from mechlab.models.loaders import load
from mechlab.store.answers_file import read_answers

KEY_NAME, MODEL_NAME = "MECHLAB_JUDGE_KEY", "MECHLAB_JUDGE_MODEL"
TIMEOUT_S = 60
SCALE = 10
FORM = "Answer with one whole number from 0 (not at all) to 10 (fully), and nothing else."


def open_judged(question: str, where: str) -> Judged:
    """Return the concept that a question is, answered by whoever is there.

    Args:
        question: about each text.
        where: `http://...` or `https://...` up to `/v1`; a `.json` file of answers; else a model, by name or folder.

    Raises:
        UsageError: the model is unknown or its words are several tokens.
        ArtifactError: the file of answers is missing or damaged.
    """
    if re.match(r"https?://", where):
        return Judged(question, url_judge(where))
    if where.endswith(".json"):
        answers = read_answers(Path(where))
        return Judged(question, recorded_judge(answers), dict(answers))
    return Judged(question, model_judge(load(where)))


def url_judge(address: str) -> Judge:
    """Return a judge behind an address: chat completions, as OpenAI's interface has them.

    Raises (when asked):
        UsageError: nobody answers, or the answer is no whole number from 0 to 10.
    """
    place = f"{address.rstrip('/')}/chat/completions"

    def judge(question: str, text: str) -> float:
        asked = [
            {"role": "system", "content": FORM},
            {"role": "user", "content": f"{question}\n\n<text>\n{text}\n</text>"},
        ]
        body = {"model": os.environ.get(MODEL_NAME, "default"), "messages": asked, "temperature": 0}
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY_NAME):
            headers["Authorization"] = f"Bearer {key}"
        try:
            request = Request(place, json.dumps(body).encode(), headers)
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                said = json.loads(answer.read())["choices"][0]["message"]["content"]
        except (URLError, HTTPException, OSError, ValueError, LookupError, TypeError) as error:
            raise UsageError("judge does not answer", value=address, remedy=f"{error}.") from None
        found = re.fullmatch(r"\s*(\d{1,2})\s*\.?\s*", str(said))
        if found is None or int(found[1]) > SCALE:
            raise UsageError("judge's answer is no number from 0 to 10", value=str(said)[:40])
        return int(found[1]) / SCALE

    return judge
