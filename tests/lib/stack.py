"""A homeserver, a proxy and a controller in a directory of their own, on free
ports, for one test module; everything is stopped by process id.

Environment: HICLAW_CONTROLLER (the binary), HICLAW_SYNAPSE_PYTHON (a Python
that has Synapse), HICLAW_TEST_KEEP=1 (leave the directories).
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import client
import proxy

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOMAIN = "hiclaw.localhost"
HOMESERVER_PY = ROOT / "contrib" / "stack" / "homeserver.py"
PASSWORD = "correct horse battery"
USERS = ("admin", "stranger")


def controller_path():
    return os.environ.get("HICLAW_CONTROLLER",
                          str(ROOT / "build-check" / "hiclaw-controller"))


def synapse_python():
    return os.environ.get("HICLAW_SYNAPSE_PYTHON", sys.executable)


def free_ports(n):
    socks = [socket.socket() for _ in range(n)]
    try:
        for s in socks:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in socks]
    finally:
        for s in socks:
            s.close()


def tail(path, n=40):
    try:
        return "\n".join(pathlib.Path(path).read_text(
            errors="replace").splitlines()[-n:])
    except OSError:
        return ""


def dead(process):
    """True once a child has ended (and is reaped)."""
    return process is None or process.poll() is not None


def end(process, seconds=15):
    if dead(process):
        return process.returncode if process else None
    process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(10)


class Synapse:
    """template: a directory of a homeserver that was set up before (database
    made, accounts there); copying it is much faster than making it."""

    def __init__(self, directory, port, registrations=(), template=None):
        self.dir, self.port = pathlib.Path(directory), port
        self.url = f"http://127.0.0.1:{port}"
        self.process = None
        if template:
            shutil.copytree(template, self.dir)
        command = [sys.executable, str(HOMESERVER_PY), "config",
                   "--dir", str(self.dir), "--domain", DOMAIN,
                   "--port", str(port)]
        for r in registrations:
            command += ["--registration", str(r)]
        self.dir.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if not (self.dir / "signing.key").exists():
            subprocess.run(self.command("--generate-keys"), check=True,
                           cwd=self.dir, capture_output=True)

    def command(self, *more):
        return [synapse_python(), "-m", "synapse.app.homeserver",
                "-c", str(self.dir / "homeserver.yaml"), *more]

    @property
    def shared_secret(self):
        return json.loads((self.dir / "secrets.json").read_text())["shared"]

    def start(self):
        with open(self.dir / "stderr.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.dir, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        return self.wait()

    def wait(self, seconds=90):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if dead(self.process):
                break
            try:
                urllib.request.urlopen(
                    self.url + "/_matrix/client/versions", timeout=5).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Synapse did not start:\n"
                             + tail(self.dir / "stderr.log")
                             + tail(self.dir / "homeserver.log"))

    def stop(self):
        end(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def rss_mb(self):
        return rss_mb(self.process.pid)


def rss_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def make_template(directory):
    """A homeserver's directory with the database made and USERS in it."""
    hs = Synapse(directory, free_ports(1)[0]).start()
    try:
        for user in USERS:
            client.make_account(hs.url, hs.shared_secret, user, PASSWORD,
                                admin=user == "admin")
    finally:
        hs.stop()
    return hs.dir


def generate_registration(path, port, prefix="hiclaw"):
    out = subprocess.run(
        [controller_path(), "--generate-registration", "--domain", DOMAIN,
         "--url", f"http://127.0.0.1:{port}", "--prefix", prefix],
        capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    pathlib.Path(path).write_text(out.stdout)
    return path


def yaml_field(path, key):
    m = re.search(rf"^\s*{key}:\s*[\"']?([^\"'\s]+)", pathlib.Path(path)
                  .read_text(), re.M)
    assert m, f"no {key} in {path}"
    return m[1]


class Controller:
    """One controller process on one database; may be killed and started."""

    def __init__(self, directory, port, homeserver_url, registration,
                 shared_secret="", admins=("admin",), extra=None):
        self.dir, self.port = pathlib.Path(directory), port
        self.url = f"http://127.0.0.1:{port}"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.storage, self.log = self.dir / "storage", self.dir / "log"
        self.storage.mkdir(exist_ok=True)
        self.config = self.dir / "controller.yaml"
        self.database = self.dir / "hiclaw.db"
        self.registration, self.process = pathlib.Path(registration), None
        settings = {
            "homeserver": {"url": homeserver_url, "domain": DOMAIN,
                           "registration": str(registration)},
            "listen": f"127.0.0.1:{port}",
            "database": str(self.database),
            "admins": [f"@{a}:{DOMAIN}" for a in admins],
            "storage": {"url": f"file://{self.storage}"},
            "chat": {"commands": str(ROOT / "commands"),
                     "templates": str(ROOT / "templates"),
                     "rate": 0},
            "log": {"level": "debug"},
        }
        if shared_secret:
            settings["homeserver"]["registration_shared_secret"] = \
                shared_secret
        for k, v in (extra or {}).items():
            if isinstance(v, dict):
                settings.setdefault(k, {}).update(v)
            else:
                settings[k] = v
        # JSON is YAML: nothing to quote wrongly.
        self.config.write_text(json.dumps(settings, indent=1) + "\n")

    def start(self, env=None, wait=True):
        full = dict(os.environ, **(env or {}))
        with open(self.log, "ab") as log:
            log.write(b"--- start ---\n")
            log.flush()
            self.process = subprocess.Popen(
                [controller_path(), "--config", str(self.config)],
                cwd=self.dir, env=full, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait()
        return self

    def wait(self, seconds=30):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if dead(self.process):
                break
            try:
                urllib.request.urlopen(self.url + "/readyz",
                                       timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the controller did not start:\n"
                             + tail(self.log))

    def wait_end(self, seconds=60):
        """Exit status; negative: killed by that signal."""
        return self.process.wait(seconds)

    def stop(self):
        return end(self.process, 30)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def metrics(self):
        """{"name{labels}": value}"""
        out = {}
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as r:
            for line in r.read().decode().splitlines():
                if line and not line.startswith("#"):
                    k, _, v = line.rpartition(" ")
                    out[k] = float(v)
        return out

    def metric(self, prefix):
        """Sum of all series whose name begins so."""
        return sum(v for k, v in self.metrics().items()
                   if k.startswith(prefix))

    @property
    def rss_mb(self):
        return rss_mb(self.process.pid)

    def errors(self):
        """Lines of the log that no healthy run has."""
        return [x for x in self.log.read_text(errors="replace").splitlines()
                if re.search(r"Sanitizer|runtime error:|Assertion|panic", x)]


class Stack:
    """Homeserver, proxy and controller, and the people around them.
    watched=False: no proxy, for measurements; then nothing can be counted or
    made to fail, and there is no settle()."""

    def __init__(self, directory=None, template=None, extra=None,
                 admins=("admin",), accounts=True, watched=True):
        self.own = directory is None
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(
            prefix="hiclaw-test-"))
        hs_port, self.ctl_port = free_ports(2)
        self.registration = generate_registration(
            self.dir / "registration.yaml", self.ctl_port)
        self.as_token = yaml_field(self.registration, "as_token")
        self.hs_token = yaml_field(self.registration, "hs_token")
        self.instance = yaml_field(self.registration, "id")
        self.hs = Synapse(self.dir / "hs", hs_port, [self.registration],
                          template).start()
        self.proxy = proxy.Proxy(self.hs.url) if watched else None
        if not template:
            for user in USERS:
                client.make_account(self.hs.url, self.hs.shared_secret, user,
                                    PASSWORD, admin=user == "admin")
        self.bot = f"@hiclaw:{DOMAIN}"
        self.controller = Controller(
            self.dir / "controller", self.ctl_port,
            self.proxy.url if watched else self.hs.url, self.registration,
            self.hs.shared_secret if accounts else "", admins, extra)
        self.eyes = client.Eyes(self.hs.url, self.as_token, self.bot, DOMAIN)
        self.people, self._room = {}, None

    def start(self, env=None):
        self.controller.start(env)
        return self

    def stop(self):
        try:
            self.controller.stop()
        finally:
            if self.proxy:
                self.proxy.stop()
            self.hs.stop()
            if self.own and not os.environ.get("HICLAW_TEST_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    # --- people ---

    def person(self, name, password=PASSWORD):
        if name not in self.people:
            got = client.login(self.hs.url, name, password)
            self.people[name] = client.Person(
                self.hs.url, got["user_id"], got["access_token"], self.bot)
        return self.people[name]

    def new_person(self, name):
        client.make_account(self.hs.url, self.hs.shared_secret, name,
                            PASSWORD)
        return self.person(name)

    @property
    def admin(self):
        return self.person("admin")

    @property
    def room(self):
        """The admin room, with the admin in it."""
        if self._room is None:
            self._room = client.eventually(
                lambda: self.eyes.resolve("hiclaw_admin"), 60,
                what="the admin room")
            client.eventually(
                lambda: self.admin.me in self.eyes.room(self._room).inside,
                30, what="the admin's invitation")
            self.admin.accept()
        return self._room

    def apply(self, yaml, timeout=120):
        return self.admin.apply(self.room, yaml, timeout)

    def ask(self, text, timeout=60):
        return self.admin.ask(self.room, text, timeout)

    def reply(self, to, body, states=("done", "info", "refused",
                                      "question")):
        """Of the admin, to that event of the admin room."""
        event = self.admin.send(self.room, {
            "msgtype": "m.text", "body": body,
            "m.relates_to": {"m.in_reply_to": {"event_id": to}}})
        return self.admin.answer(self.room, event, 60, states)

    def drift(self, do):
        """What is done outside, and the one line that tells of it: its event
        and its text."""
        self.settle()

        def lines():
            self.admin.sync()
            return {e["event_id"]: c["body"] for e, c, is_edit in
                    self.admin.from_bot(self.room) if not is_edit and
                    "changed it, put right" in c["body"]}
        before = lines()
        do()
        return client.eventually(
            lambda: next((x for x in lines().items() if x[0] not in before),
                         None), 20, what="a line about it")

    # --- quiet ---

    def settle(self, timeout=30, quiet=0.6):
        """Until no writing call of the controller has begun or ended for a
        while.  One without an answer (cut off by a fault, say) is waited for
        no longer than 5 s."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            now = time.time()
            last = max([c.at + c.took if c.took else min(now, c.at + 5)
                        for c in self.proxy.writes()], default=0)
            if now - last > quiet:
                return
            time.sleep(0.1)
        raise AssertionError("the controller goes on writing: "
                             f"{self.proxy.writes()[-10:]}")

    def written(self, do, timeout=60):
        """What was written because of do(): sorted names of the calls that
        change the world (messages in rooms left out)."""
        self.settle(timeout)
        self.proxy.clear()
        do()
        self.settle(timeout)
        return sorted(c.name for c in self.proxy.writes())
