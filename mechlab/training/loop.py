"""The one training loop every dictionary kind shares, for one dictionary or for many on the same batches.

1. Take a batch; the first one also sets the scales that bring activations to norm `sqrt(d)`, and `b_dec`.
2. Compute the kind's loss, clip the gradient, take an Adam step at the schedule's learning rate.
3. Count for every feature the tokens since it fired; the loss revives those that are dead.
4. Stop if the loss is no longer a loss; log; checkpoint what is known to be good.
5. Fold the scales into the weights, so that the dictionary takes raw activations.
"""

from collections.abc import Sequence

from mechlab.core.errors import TrainingDiverged
from mechlab.core.progress import SILENT, Progress
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.course import Course, TrainingResult, Watcher
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.run import TrainingRun
from mechlab.training.source import DataSource
from mechlab.training.state import TrainingState


def fit(
    dictionary: Dictionary,
    source: DataSource,
    config: TrainConfig,
    watcher: Watcher | None = None,
    resume: TrainingState | None = None,
    crew: Crew = ONE,
) -> TrainingResult:
    """Train a dictionary in place and leave it taking raw activations.

    Args:
        dictionary: on the device it trains on.
        source: batches of raw activations, or of (activations, targets).
        config: how to train.
        watcher: who is told; nobody by default.
        resume: a state an earlier run saved with the same config; the result is the same, byte for byte.
        crew: the processes that train together, each of them calling this; by default there is one.

    Raises:
        TrainingDiverged: the loss is not finite or has exploded; saved states are untouched.
        UsageError: the source ran out before `n_tokens`.
        ArtifactError: the state is of another dictionary.
    """
    watcher = watcher or Watcher()
    course = Course(TrainingRun(dictionary, source, config, crew), watcher, resume)
    (ended,) = fit_together([course], watcher.progress)
    if isinstance(ended, TrainingDiverged):
        raise ended
    return ended


def fit_together(courses: Sequence[Course], progress: Progress = SILENT) -> list[TrainingResult | TrainingDiverged]:
    """Train several dictionaries in turn, a step each, so that sources that share their batches keep step.

    Returns:
        How each ended; one that diverged is left behind, the others go on.

    Raises:
        UsageError: a source ran out.
    """
    ended: dict[Course, TrainingResult | TrainingDiverged] = {}
    with progress.task("training", sum(course.n_tokens for course in courses), "tokens") as bar:
        bar.advance(sum(course.run.tokens for course in courses))
        while going := [course for course in courses if course not in ended]:
            for course in going:
                if course.at_end:
                    ended[course] = course.finish()
                    continue
                try:
                    n_tokens, shown = course.step()
                except TrainingDiverged as error:
                    ended[course] = error
                else:
                    bar.advance(n_tokens, **(shown if len(courses) == 1 else {}))
    return [ended[course] for course in courses]
