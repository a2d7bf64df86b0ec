"""Text and where it comes from: files, hub data sets, generators with ground truth, packed into token rows."""

from mechlab.core.registry import Registry

CORPORA = Registry(
    "corpus",
    {
        "tales": "mechlab.corpora.tales.corpus:TalesCorpus",
        "tokfsm": "mechlab.corpora.tokfsm.corpus:TokFsmCorpus",
    },
)
