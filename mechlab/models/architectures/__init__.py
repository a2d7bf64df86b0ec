"""Where the parts of each architecture are: one file per family, found by Hugging Face's `model_type`.

`ARCHITECTURES[model_type](hugging_face_model)` returns a `Layout` (see layout.py): embed, pos_embed, blocks,
final_norm, unembed; per block ln1, q, k, v, attention, o, ln2, mlp_in, mlp_gate, mlp_proj, and the norms only some
families have.
Adding a family is one file and one line.
"""

from mechlab.core.registry import Registry

ARCHITECTURES = Registry(
    "architecture",
    {
        "gpt2": "mechlab.models.architectures.gpt2:layout",
        "gpt_neox": "mechlab.models.architectures.gpt_neox:layout",
        "llama": "mechlab.models.architectures.llama:layout",
        "mistral": "mechlab.models.architectures.llama:layout",
        "qwen2": "mechlab.models.architectures.llama:layout",
        "qwen3": "mechlab.models.architectures.llama:layout",
        "gemma2": "mechlab.models.architectures.gemma2:layout",
    },
)
