"""Files to steer the tiny model by: directions, a spec with a vector beside it."""

import torch
from small_run import D_MODEL

from mechlab.circuits.directions.direction import directed
from mechlab.interventions.steering.parts import VectorPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.models.loaders import load
from mechlab.verbs.steps.directions.stored import save_directions


def vector(seed: int = 0) -> torch.Tensor:
    return 30 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed))


def direction_file(model, path, seed: int = 0):
    """Return the path of a file with one direction at `resid_post.0`."""
    own = load(str(model), device="cpu")
    save_directions(path, own, [directed(own, "resid_post.0", vector(seed), "mean_difference", "pushed")])
    return path


def spec_file(model, folder, **step):
    """Return the path of a spec whose vector is in the file beside it."""
    direction_file(model, folder / "spec.safetensors")
    spec = SteerSpec(steps=(SteerStep(part=VectorPart(name="pushed"), sites=("resid_post.0",), **step),))
    (folder / "spec.json").write_text(spec.to_json())
    return folder / "spec.json"
