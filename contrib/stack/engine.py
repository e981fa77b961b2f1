#!/usr/bin/env python3
"""The embedded container engine: a Podman of its own, with storage, networks,
events and socket in one directory.  Nothing of the machine's settings is read or
changed, and nobody else's containers are seen.

Called by ./quickstart; uses nothing but Python's own library.

    engine.py prepare --home H
        writes Podman's settings; prints the command of its service, a word a
        line
    engine.py wait --home H --pid P
        until the service answers
    engine.py load --home H IMAGE.tar
        gives it an image, unless it has that one; prints "new" or "same"
    engine.py stop --home H
        ends all containers
    engine.py wipe --home H
        takes away all containers, networks and mounts
"""
import argparse
import hashlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from homeserver import write

IMAGE = "hiclaw/nano:latest"
CONF = """\
# Written by the quick start at each start.
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{dir}/tmp"
static_dir = "{dir}/root/libpod"
volume_path = "{dir}/root/volumes"
[network]
network_backend = "netavark"
network_config_dir = "{dir}/networks"
"""
REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n'


def subnet(base):
    """Addresses of our own for this stack's port base: two of them can live side
    by side.  Gives the subnet and the machine's address in it."""
    net = f"10.{64 + base // 256 % 128}.{base % 256}"
    return f"{net}.0/24", f"{net}.1"


class Engine:
    def __init__(self, home):
        self.dir = pathlib.Path(home) / "engine"
        self.socket = self.dir / "podman.sock"
        self.env = dict(
            os.environ, CONTAINERS_CONF=str(self.dir / "containers.conf"),
            CONTAINERS_REGISTRIES_CONF=str(self.dir / "registries.conf"),
            TMPDIR=str(self.dir / "tmp"))

    def command(self, *args):
        return ["podman", "--root", str(self.dir / "root"), "--runroot",
                str(self.dir / "run"), "--tmpdir", str(self.dir / "tmp"),
                *args]

    def podman(self, *args):
        return subprocess.run(self.command(*args), env=self.env, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)

    def request(self, method, path, body=None, timeout=120):
        """Status and text of the Engine API."""
        c = http.client.HTTPConnection("localhost", timeout=timeout)
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.settimeout(timeout)
        try:
            c.sock.connect(str(self.socket))
            c.request(method, path, body, {
                "Content-Type": "application/x-tar"} if body else {})
            r = c.getresponse()
            return r.status, r.read().decode(errors="replace")
        finally:
            c.close()


def prepare(o):
    e = Engine(o.home)
    for d in ("tmp", "networks"):
        (e.dir / d).mkdir(parents=True, exist_ok=True)
    write(str(e.dir / "containers.conf"), CONF.format(dir=e.dir))
    write(str(e.dir / "registries.conf"), REGISTRIES)
    # Killed, it leaves its socket behind, and the next one would not start.
    e.socket.unlink(missing_ok=True)
    names = ("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "TMPDIR")
    print("\n".join(["env", *(f"{n}={e.env[n]}" for n in names),
                     *e.command("system", "service", "--time=0",
                                f"unix://{e.socket}")]))


def wait(o):
    e, limit = Engine(o.home), time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            if e.request("GET", "/_ping", timeout=5)[0] == 200:
                return
        except OSError:
            pass
        if not pathlib.Path(f"/proc/{o.pid}").exists():
            sys.exit("Podman ended")
        time.sleep(0.05)
    sys.exit("Podman does not answer")


def load(o):
    e, data = Engine(o.home), pathlib.Path(o.file).read_bytes()
    known, digest = e.dir / "image", hashlib.sha256(data).hexdigest()
    status, _ = e.request("GET", f"/images/{IMAGE}/json")
    if status == 200 and known.exists() and known.read_text() == digest:
        print("same")
        return
    status, text = e.request("POST", "/images/load?quiet=1", data)
    if status != 200 or '"error"' in text:
        sys.exit(f"Podman does not take the image: {status} {text}")
    known.write_text(digest)
    print("new")


def settings(home, base):
    """The controller's settings: lines of YAML, and the agents' door."""
    e, (net, door) = Engine(home), subnet(base)
    return ["containers:", "  provider: docker",
            f"  url: {json.dumps(f'unix://{e.socket}')}",
            f"  subnet: {net}",
            "  memory: 512", "  cpu: 1000", "  pids: 256"], \
        f"http://{door}:{base + 2}"


def stop(o):
    e = Engine(o.home)
    if e.socket.exists():
        e.podman("stop", "-a", "-t", "5")


def wipe(o):
    e = Engine(o.home)
    if not e.dir.exists():
        return
    e.podman("rm", "-f", "-a", "-t", "0", "-v")
    e.podman("network", "prune", "-f")
    with open("/proc/self/mounts", encoding="utf-8") as f:
        mounts = [line.split()[1] for line in f]
    for path in sorted((m for m in mounts if m.startswith(f"{e.dir}/")),
                       reverse=True):
        subprocess.run(["umount", "-l", path], check=False)


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(dest="what", required=True)
    for name in ("prepare", "wait", "load", "stop", "wipe"):
        s = sub.add_parser(name)
        s.add_argument("--home", required=True)
        if name == "wait":
            s.add_argument("--pid", type=int, required=True)
        if name == "load":
            s.add_argument("file")
    o = p.parse_args()
    {"prepare": prepare, "wait": wait, "load": load, "stop": stop,
     "wipe": wipe}[o.what](o)


if __name__ == "__main__":
    main()
