"""Revival of dead features: they are asked to reconstruct what the living ones left over."""

from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.centred_linear import centred_linear, summed
from mechlab.dictionaries.dictionary import Dictionary, mean_squared_error


def auxiliary_loss(
    dictionary: Dictionary,
    inputs: Float[Tensor, "batch d_in"],
    left_over: Float[Tensor, "batch d_out"],
    dead: Bool[Tensor, "d_sae"],
    rescale: bool,
) -> Float[Tensor, ""]:
    """Return the error of the best `d_in / 2` dead features in reconstructing the detached remainder.

    Only the dead features' rows are touched. With few dead features the loss shrinks in proportion.

    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.4 and appendix A.2. As in
    SAELens and Eleuther's sae, the error is not divided by the remainder's variance, and the codes are not rectified.

    Args:
        dictionary: whose dead features are revived.
        inputs: what is encoded.
        left_over: target minus reconstruction, detached.
        dead: which features are dead.
        rescale: whether dead features are ranked by code times decoder norm.
    """
    features = dead.nonzero().squeeze(1)
    n_dead = dictionary.peers.count(features.numel())
    if n_dead == 0:
        return inputs.new_zeros(())
    wanted = max(1, inputs.shape[1] // 2)
    encoder, b_enc = dictionary.encoder[features], dictionary.b_enc[features]
    codes = centred_linear(inputs, encoder, b_enc, dictionary.centre)
    if n_dead > wanted:
        norms = dictionary.decoder_norms()[features].detach()
        ranked = codes.detach() * norms if rescale else codes.detach()
        codes = codes * dictionary.peers.mask_of_best(ranked, wanted)
    share = min(1.0, n_dead / wanted)
    return share * mean_squared_error(
        dictionary.peers.over_features(summed(codes, dictionary.W_dec[features])), left_over
    )
