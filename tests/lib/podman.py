"""A real Podman of its own: storage, networks, events and socket in one
directory; nothing of the machine's settings is read or changed.

    engine = Podman()               starts the service
    engine.settings()               for Shell("docker", ...)
    engine.image("small", script)   an image of a static busybox, by tar
    engine.api("GET", "/containers/json?all=1")
    engine.podman("rm", "-f", id)   the command line, as somebody else's hand
    engine.stop(), engine.start()   the service goes and comes; containers stay
    engine.close()                  everything away

What a killed test left behind goes with the next start.
"""
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

# Of its own as well: the name server of all Podmans knows networks by name.
INSTANCE = f"hiclaw-{os.getpid():08x}"
LABEL = "hiclaw.io/instance"
PREFIX = "hiclaw-podman-"
BUSYBOX = "/bin/busybox"
APPLETS = ("sh sleep cat echo ls stat id head tail kill wget nc true false "
           "dd trap printf ip seq yes mount touch wc free nslookup "
           "mkdir test").split()
CONF = """
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
default_subnet = "10.{octet}.255.0/24"
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def available():
    return os.geteuid() == 0 and shutil.which("podman") is not None \
        and shutil.which("runc") is not None and os.access(BUSYBOX, os.X_OK)


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def layer(files):
    """A tar of busybox and of {path: (text, mode)}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for d in ("bin", "tmp", "etc", "root", "proc", "sys", "dev", "run",
                  "var", "var/run"):
            info = tarfile.TarInfo(d)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            if d == "tmp":
                info.mode = 0o1777
            tar.addfile(info)
        tar.add(BUSYBOX, "bin/busybox")
        for name in APPLETS:
            info = tarfile.TarInfo("bin/" + name)
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
        for path, (text, mode) in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(text.encode()), mode
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def image_tar(ref, command, files=None, **config):
    """What `docker save` would give."""
    import hashlib
    data = layer(files or {})
    form = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": [
            "sha256:" + hashlib.sha256(data).hexdigest()]}}).encode()
    name = hashlib.sha256(form).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [ref],
                            "Layers": ["layer.tar"]}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in ((name, form), ("layer.tar", data),
                           ("manifest.json", manifest)):
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


class Podman:
    def __init__(self):
        sweep()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        (self.dir / "owner").write_text(str(os.getpid()))
        self.octet = 64 + os.getpid() % 128
        self.subnet = f"10.{self.octet}.7.0/24"
        self.gateway = f"10.{self.octet}.7.1"
        self.socket = self.dir / "podman.sock"
        for d in ("tmp", "networks"):
            (self.dir / d).mkdir()
        (self.dir / "containers.conf").write_text(
            CONF.format(dir=self.dir, octet=self.octet))
        (self.dir / "policy.json").write_text(POLICY)
        (self.dir / "registries.conf").write_text(
            'unqualified-search-registries = ["localhost"]\n')
        self.env = dict(
            os.environ, CONTAINERS_CONF=str(self.dir / "containers.conf"),
            CONTAINERS_REGISTRIES_CONF=str(self.dir / "registries.conf"),
            TMPDIR=str(self.dir / "tmp"))
        self.log = open(self.dir / "service.log", "ab")
        self.process = None
        self.start()

    def command(self, *args):
        return ["podman", "--root", str(self.dir / "root"), "--runroot",
                str(self.dir / "run"), "--tmpdir", str(self.dir / "tmp"),
                *args]

    def podman(self, *args, check=True):
        done = subprocess.run(self.command(*args), env=self.env, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        assert not check or done.returncode == 0, \
            f"podman {args}: {done.stderr}"
        return done.stdout

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            self.command("system", "service", "--time=0",
                         f"unix://{self.socket}"),
            env=self.env, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT, start_new_session=True,
            cwd=self.socket.parent)     # conmon leaves an "oom" where it is
        end = time.monotonic() + 30
        while True:
            try:
                self.api("GET", "/_ping")
                return
            except OSError:
                assert self.process.poll() is None, "Podman ended: " + \
                    (self.dir / "service.log").read_text()
                assert time.monotonic() < end, "Podman does not answer"
                time.sleep(0.02)

    def stop(self, signo=signal.SIGTERM):
        """Only the service: containers go on."""
        if self.process.poll() is None:
            self.process.send_signal(signo)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop()
        self.log.close()
        wipe(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # --- the API, as an independent client sees it ------------------------

    def request(self, method, path, body=None, kind="application/json",
                timeout=60):
        """Status and bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        c = Unix(self.socket, timeout)
        try:
            c.request(method, path, body,
                      {"Content-Type": kind} if body is not None else {})
            answer = c.getresponse()
            return answer.status, answer.read()
        finally:
            c.close()

    def api(self, method, path, body=None):
        status, text = self.request(method, path, body)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {text.decode()}")
        try:
            return json.loads(text)
        except ValueError:
            return text.decode(errors="replace")

    def image(self, ref, *command, files=None, **config):
        """Loads it; with one word as command, a shell script."""
        command = list(command)
        if len(command) == 1:
            command = ["/bin/sh", "-c", command[0]]
        status, text = self.request(
            "POST", "/images/load?quiet=1",
            image_tar(ref, command, files, **config), "application/x-tar")
        assert status == 200 and b"error" not in text, text
        return ref

    def inspect(self, name):
        status, text = self.request(
            "GET", f"/containers/{urllib.parse.quote(name)}/json")
        return json.loads(text) if status == 200 else None

    def ours(self, instance=INSTANCE):
        """All containers with our label, by name."""
        filters = urllib.parse.quote(json.dumps(
            {"label": [f"{LABEL}={instance}"]}))
        return {c["Names"][0].lstrip("/"): c for c in
                self.api("GET", f"/containers/json?all=1&filters={filters}")}

    def all(self):
        return {c["Names"][0].lstrip("/"): c for c in
                self.api("GET", "/containers/json?all=1")}

    def pid(self, name):
        return self.inspect(name)["State"]["Pid"]

    def clear(self):
        """No container is left."""
        self.podman("rm", "-f", "-a", "-t", "0", "-v")

    def settings(self, **more):
        return {"instance": INSTANCE, "containers": {
            "provider": "docker", "url": f"unix://{self.socket}", **more}}


def wipe(directory):
    """Containers, networks and mounts under this directory."""
    directory = pathlib.Path(directory)
    env = dict(os.environ,
               CONTAINERS_CONF=str(directory / "containers.conf"),
               TMPDIR=str(directory / "tmp"))
    base = ["podman", "--root", str(directory / "root"), "--runroot",
            str(directory / "run"), "--tmpdir", str(directory / "tmp")]
    if (directory / "containers.conf").exists():
        for args in (["rm", "-f", "-a", "-t", "0", "-v"],
                     ["network", "prune", "-f"]):
            try:
                subprocess.run(base + args, env=env, timeout=120,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                pass
    with open("/proc/self/mounts", encoding="utf-8") as f:
        mounts = [line.split()[1] for line in f]
    for path in sorted((m for m in mounts if m.startswith(f"{directory}/")),
                       reverse=True):
        subprocess.run(["umount", "-l", path], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def sweep():
    """What tests left that were killed."""
    for d in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            owner = int((d / "owner").read_text())
        except (OSError, ValueError):
            continue
        if is_alive(owner):
            continue
        for pid in services(d):
            os.kill(pid, signal.SIGKILL)
        wipe(d)


def services(directory):
    """Services of ours that run on this directory."""
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (p / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"podman" and b"service" in words and \
                str(directory / "root").encode() in words:
            yield int(p.name)
