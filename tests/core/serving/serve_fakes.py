"""A server of fake models as a process of its own: ``python -m tests.core.serving.serve_fakes STORE SPOOL``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from airflow_mlops.core.serving.server import Address, Server, listen, make_app
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import PACE, FakeSource


def main(store: str, spool: str) -> None:
    app = make_app(FolderStore(Path(store)), FakeSource(), spool=Path(spool), pace=PACE)
    server = Server(app, listen(Address(port=0)))
    signal.signal(signal.SIGTERM, lambda *_: None)
    print(server.url, flush=True)
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
