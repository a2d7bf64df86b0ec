"""One feature is steered with: before, after, and a random direction of the same size beside it."""

import json

import torch

from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.interventions.steering.generated_pair import generate_pair
from mechlab.interventions.steering.steer import steer
from mechlab.store.run import open_run
from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.steps.training.samples import (
    N_NEW_TOKENS,
    N_PROMPTS,
    SAMPLES_NAME,
    TIMES_MAX_ACTIVATION,
    sample_lines,
    samples_text,
    steered_samples,
)


def test_the_driver_is_the_feature_whose_strongest_activation_moves_a_logit_most(subject, dictionary, judgement, rows):
    samples = steered_samples(subject, dictionary, judgement.portraits, rows)
    assert len(samples) == N_PROMPTS
    reach = {one.feature: one.promoted[0][1] * one.max_activation for one in judgement.portraits if one.promoted}
    driver = max(reach, key=reach.__getitem__)
    peak = next(one.max_activation for one in judgement.portraits if one.feature == driver)
    assert {sample.feature for sample in samples} == {driver}
    assert {sample.strength for sample in samples} == {TIMES_MAX_ACTIVATION * peak}


def test_before_and_after_are_what_generation_says(subject, dictionary, judgement, rows):
    (sample, *_) = steered_samples(subject, dictionary, judgement.portraits, rows)
    prompts = [row[:6] for row in rows.tokens.long()]
    (prompt,) = [row for row in prompts if subject.model.to_text(row[None, 1:])[0] == sample.prompt][:1]
    direction = feature_direction(dictionary, sample.feature, unit=False)
    edit = steer(subject.model, subject.rebuilt, direction, sample.strength)
    pair = generate_pair(subject.model, prompt[None], N_NEW_TOKENS, edit)
    plain = [token for token in pair.base[0, 6:].tolist() if token not in subject.model.special_ids]
    steered = [token for token in pair.steered[0, 6:].tolist() if token not in subject.model.special_ids]
    assert sample.before == subject.model.to_text(torch.tensor([plain]))[0]
    assert sample.after == subject.model.to_text(torch.tensor([steered]))[0]


def test_prompts_are_drawn_from_the_seed(subject, dictionary, judgement, rows):
    samples = [steered_samples(subject, dictionary, judgement.portraits, rows) for _ in range(2)]
    assert samples[0] == samples[1]


def test_there_is_nothing_to_show_where_no_feature_writes_to_the_stream(options, subject, dictionary, judgement, rows):
    inside = open_subject(options(site="z.0"))
    assert steered_samples(inside, dictionary, judgement.portraits, rows) == ()
    assert steered_samples(subject, dictionary, (), rows) == ()


def test_a_run_keeps_its_samples_and_shows_the_first(trained):
    stored = open_run(trained[0]).file(SAMPLES_NAME).read_text()
    samples, lines = json.loads(stored), sample_lines(stored)
    assert len(samples) == N_PROMPTS
    assert str(samples[0]["feature"]) in lines[0] and repr(samples[0]["prompt"]) in lines[0]
    assert all(
        line.endswith(samples[0][name]) for line, name in zip(lines[1:4], ("before", "after", "control"), strict=True)
    )


def test_without_samples_nothing_is_shown():
    assert sample_lines(samples_text(())) == ()
