"""Crosscoders: one code for several layers, read from all of them and written to all of them.

1. The input is the layers' vectors side by side, and so is the target: the encoder sums over layers what it reads.
2. A feature has one direction per layer; what its code is worth is the sum of their norms.
3. The plain kinds do the rest: an L1 penalty weighted by that sum, or the choice of the largest codes measured by it.
"""

from jaxtyping import Float
from torch import Tensor

from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.layered import Layered
from mechlab.dictionaries.layers import LayersConfig, split_layers
from mechlab.dictionaries.own_folder import OwnFolder
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.sharing import layer_norms, relative_norms
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary


class CrosscoderConfig(LayersConfig, ReluConfig):
    """A crosscoder with an L1 penalty."""


class TopKCrosscoderConfig(LayersConfig, TopKConfig):
    """A crosscoder that keeps k codes of every vector."""


class BatchTopKCrosscoderConfig(LayersConfig, BatchTopKConfig):
    """A crosscoder that keeps k codes per vector on average."""


class ManyLayers(OwnFolder, Layered):
    """A dictionary of layers side by side: a direction's norm is the sum of its norms at each layer.

    Source: Lindsey et al. 2024, "Sparse Crosscoders for Cross-Layer Features and Model Diffing", "Setup". The sum of
    norms, unlike the norm of the whole, makes a direction at one more layer cost as much as in a dictionary of that
    layer alone. With one layer this is the plain kind.
    """

    def norms_of_directions(self) -> Float[Tensor, "d_sae"]:
        """Return the sum of the norms of each feature's directions, each in units of its layer."""
        return self.in_units(layer_norms(self.W_dec, self.config.n_layers)).sum(-1)

    def relative_norms(self) -> Float[Tensor, "d_sae n_layers"]:
        """Return each layer's share of the norms of each feature's directions, each in units of its layer."""
        directions = split_layers(self.W_dec.detach(), self.config.n_layers).mT
        return relative_norms(self.in_units(directions).mT.flatten(1), self.config.n_layers)


class CrosscoderDictionary(ManyLayers, ReluDictionary):
    """The crosscoder as published: rectified codes, an L1 penalty weighted by the sum of decoder norms over layers.

    Source: Lindsey et al. 2024, "Sparse Crosscoders for Cross-Layer Features and Model Diffing". They have no `b_dec`
    in the encoder; leave `apply_b_dec_to_input` false for that.
    """

    kind = "crosscoder"
    Config = CrosscoderConfig
    saelens_architectures = ("crosscoder",)


class TopKCrosscoder(ManyLayers, TopKDictionary):
    """The k codes worth most are kept, worth being the code times the sum of its decoder norms.

    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.3, on layers side by side.
    """

    kind = "topk_crosscoder"
    Config = TopKCrosscoderConfig
    saelens_architectures = ("topk_crosscoder",)


class BatchTopKCrosscoder(ManyLayers, BatchTopKDictionary):
    """The codes of a batch worth most are kept.

    Source: Minder et al. 2025, "Overcoming Sparsity Artifacts in Crosscoders to Interpret Chat-Tuning": fewer features
    look exclusive to one model without being so.
    """

    kind = "batchtopk_crosscoder"
    Config = BatchTopKCrosscoderConfig
    saelens_architectures = ("batchtopk_crosscoder",)
