"""A dictionary out of a run: its files are checked before they are read."""

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.dictionary_folder import read_dictionary
from mechlab.store.run import Run


def stored_dictionary(run: Run) -> Dictionary:
    """Return the dictionary of a finished run.

    Raises:
        ArtifactError: the run has none, or its files are not as they were stored.
    """
    return from_saelens(*read_dictionary(run.dictionary_folder())).eval()
