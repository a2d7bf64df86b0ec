"""Vectors to codes and back: sparse dictionaries as maths on tensors, knowing no model."""

from mechlab.core.registry import Registry

KINDS = Registry(
    "dictionary kind",
    {
        "relu": "mechlab.dictionaries.relu:ReluDictionary",
        "gated": "mechlab.dictionaries.gated:GatedDictionary",
        "topk": "mechlab.dictionaries.topk:TopKDictionary",
        "batchtopk": "mechlab.dictionaries.batchtopk:BatchTopKDictionary",
        "jumprelu": "mechlab.dictionaries.jumprelu:JumpReluDictionary",
        "matryoshka": "mechlab.dictionaries.matryoshka:MatryoshkaDictionary",
        "crosscoder": "mechlab.dictionaries.crosscoder:CrosscoderDictionary",
        "topk_crosscoder": "mechlab.dictionaries.crosscoder:TopKCrosscoder",
        "batchtopk_crosscoder": "mechlab.dictionaries.crosscoder:BatchTopKCrosscoder",
        "crosslayer_transcoder": "mechlab.dictionaries.crosslayer_transcoder:CrosslayerTranscoder",
        "topk_crosslayer_transcoder": "mechlab.dictionaries.crosslayer_transcoder:TopKCrosslayerTranscoder",
        "batchtopk_crosslayer_transcoder": "mechlab.dictionaries.crosslayer_transcoder:BatchTopKCrosslayerTranscoder",
    },
)
