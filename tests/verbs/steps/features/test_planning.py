"""What looking at features would cost grows with the text, and nothing is written."""

from pathlib import Path

from mechlab.store.run import open_run
from mechlab.verbs.steps.features.planning import plan_looking
from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.steps.stored import stored_dictionary


def test_time_grows_with_the_text(trained, options):
    dictionary = stored_dictionary(open_run(trained[0]))
    few, many = (plan_looking(open_subject(options(eval_tokens=n)), dictionary) for n in (1000, 10_000_000))
    assert many.data["time_s"] > 10 * few.data["time_s"] > 0
    assert (few.data["n_features"], many.data["n_tokens"]) == (24, 10_000_000)
    assert few.tables[0].note == "Nothing was written." and not list(Path().iterdir())
