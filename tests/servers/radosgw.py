"""A real S3 server: Ceph's radosgw, one monitor and one object daemon, in memory, on free loopback ports."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.servers.process import free_port, insisting, require, running, wait_for_http
from tests.servers.s3 import S3Server

_COMMANDS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")
_REMEDY = "apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common ceph-base"
_CAPS = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
#: A key for SSE-KMS that the server knows.
KMS_KEY = "alias/models"
_CONF = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}/0]
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.$pid.asok
log_file = {folder}/$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 2
mon_data_avail_crit = 1
paxos_propose_interval = 0.01
mon_osd_adjust_heartbeat_grace = false
osd_objectstore = memstore
debug_ms = 0
[mon.a]
mon_data = {folder}/mon
mon_cluster_log_file = {folder}/cluster.log
[osd.0]
osd_data = {folder}/osd
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
memstore_device_bytes = 2147483648
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_data = {folder}/rgw
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = {kms_key}=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
"""


@contextlib.contextmanager
def radosgw() -> Iterator[S3Server]:
    """Run radosgw; it checks signatures and knows versioning, object lock and multipart uploads.

    Conditional writes hold on a plain bucket and are silently ignored on a versioned one (16.2.15).

    :raises ServerMissingError: if Ceph is not installed.
    """
    require(_COMMANDS, _REMEDY)
    with insisting(_started) as server:
        yield server


@contextlib.contextmanager
def _started() -> Iterator[S3Server]:
    port = free_port()
    server = S3Server("radosgw", f"http://127.0.0.1:{port}")
    with tempfile.TemporaryDirectory(prefix="radosgw-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        conf = _prepare(folder, port)
        with contextlib.ExitStack() as stack:
            _start(stack, folder, conf, server)
            yield server


def _prepare(folder: Path, port: int) -> list[str]:
    """Write configuration, keys and the monitor's map; return the arguments that point to them."""
    fsid, mon_port = str(uuid.uuid4()), free_port()
    for part in ("mon", "osd", "rgw"):
        (folder / part).mkdir()
    (folder / "ceph.conf").write_text(
        _CONF.format(kms_key=KMS_KEY, fsid=fsid, mon_port=mon_port, folder=folder, port=port)
    )
    keyring = str(folder / "keyring")
    _run(
        "monmaptool",
        "--create",
        "--fsid",
        fsid,
        "--addv",
        "a",
        f"[v2:127.0.0.1:{mon_port}]",
        f"{folder}/monmap",
    )
    _run("ceph-authtool", keyring, "--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for who in ("client.admin", "client.rgw", "osd.0"):
        _run("ceph-authtool", keyring, "--gen-key", "-n", who, *_CAPS)
    return ["-c", str(folder / "ceph.conf")]


def _start(stack: contextlib.ExitStack, folder: Path, conf: list[str], server: S3Server) -> None:
    _run(
        "ceph-mon",
        *conf,
        "-i",
        "a",
        "--mkfs",
        "--monmap",
        f"{folder}/monmap",
        "--keyring",
        f"{folder}/keyring",
    )
    stack.enter_context(running(["ceph-mon", *conf, "-i", "a", "-f"], folder / "mon.out"))
    osd = str(uuid.uuid4())
    _run("ceph", *conf, "--connect-timeout", "5", "osd", "new", osd, "0", tries=50)
    _run("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
    stack.enter_context(running(["ceph-osd", *conf, "-i", "0", "-f"], folder / "osd.out"))
    keys = ("--access-key", server.access_key, "--secret-key", server.secret_key)
    _run(
        "radosgw-admin",
        *conf,
        "-n",
        "client.rgw",
        "user",
        "create",
        "--uid=test",
        "--display-name=test",
        *keys,
    )
    log = folder / "rgw.out"
    process = stack.enter_context(running(["radosgw", *conf, "-n", "client.rgw", "-f"], log))
    wait_for_http(server.endpoint, process, log)


def _run(*command: str, tries: int = 1) -> None:
    """Run a command to its end. :raises RuntimeError: with its output, if it fails every time."""
    for _ in range(tries):
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
        )
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
