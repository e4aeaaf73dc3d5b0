"""Real servers for tests, as plain context managers: nothing is left running, not even after a kill -9.

with radosgw() as s3:
    bucket = s3.make_bucket()
    store = S3Store(bucket, "prefix", s3.client())
"""

from __future__ import annotations

from tests.servers.ministack import ministack
from tests.servers.process import ServerMissingError
from tests.servers.radosgw import radosgw
from tests.servers.s3 import S3Server

__all__ = ["S3Server", "ServerMissingError", "ministack", "radosgw"]
