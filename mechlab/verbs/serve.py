"""`mechlab serve FOLDER`: the pages and files of a folder in the browser of this machine."""

import contextlib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb


class Config(BaseConfig):
    """Which folder, and where."""

    folder: Annotated[Path, Positional()] = Field(Path("runs"), description="Folder of a run, of runs, or of graphs.")
    port: int = Field(8321, ge=0, le=65535, description="Port on 127.0.0.1; 0 takes any that is free.")
    open: bool = Field(False, description="Open the folder in the browser.")


def run(config: Config, progress: Progress) -> Outcome:
    """Serve a folder to this machine alone, until it is stopped with Ctrl-C; nothing is written."""
    from mechlab.store.served_folder import FolderServer
    from mechlab.views.folder_page import folder_page
    from mechlab.views.terminal import RichProgress

    with FolderServer(config.folder, config.port, folder_page) as server:
        address = f"serving {config.folder} at {server.url} until Ctrl-C"
        RichProgress().note(address)  # the answer, not progress: --quiet shows it too, and at once
        if config.open:
            import webbrowser

            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
        return Outcome({"folder": str(config.folder), "url": server.url}, (), ("stopped",))


VERB = Verb(Config, run)
