"""A stack for agents to live in: homeserver, controller with files in a
directory, real Envoy with a model behind it, and in front of Envoy a wire that
sees the agents' keys.  Matrix goes through Envoy as well, as for agents in
containers: one door for everything.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import client
import envoy as envoys
import model as models
import stack as stacks
from runtimes import Agent
from stack import DOMAIN

MODEL, OTHER_MODEL = "qwen3.6-plus", "second-model"
SOUL, AGENTS = "marzipan-soul", "gooseberry-rule"


def user_id(name):
    return f"@hiclaw_{name}:{DOMAIN}"


def document(kind, name, spec):
    # JSON is YAML: nothing to quote wrongly.
    return json.dumps({"apiVersion": "hiclaw.io/v1beta1", "kind": kind,
                       "metadata": {"name": name}, "spec": spec}, indent=1)


def about(name, runtime, model=MODEL):
    return {"runtime": runtime, "model": model,
            "soul": f"You are {name}. Your word is {SOUL}.",
            "agents": f"Remember {AGENTS}."}


class Living:
    """solo works alone; boss leads mate; default manages."""

    def __init__(self, kind, template=None):
        self.kind = kind
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hiclaw-living-"))
        self.model = models.Model((MODEL, OTHER_MODEL))
        self.port = stacks.free_ports(1)[0]
        self.wire = models.Wire(self.port)
        self.envoy = self.stack = None
        try:
            self.stack = stacks.Stack(self.dir, template, {
                "gateway": {
                    "provider": "envoy", "url": f"http://127.0.0.1:{self.port}",
                    "agents_url": self.wire.url,
                    "directory": str(self.dir / "gateway"),
                    "providers": [{"name": "tests", "url": self.model.url,
                                   "key": models.KEY}]},
                "agents": {"homeserver_url": self.wire.url},
                "engine": {"resync": 5}})
            self.start_gateway()
            self.stack.start()
            self.stack.room
        except BaseException:
            self.stop()
            raise

    def start_gateway(self):
        out = subprocess.run(
            [stacks.controller_path(), "--config",
             str(self.stack.controller.config), "--prepare-gateway"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert out.returncode == 0, out.stderr
        self.envoy = envoys.Envoy(self.dir / "gateway", self.port).start()

    def stop(self):
        try:
            if self.stack:
                self.stack.stop()
        finally:
            if self.envoy:
                self.envoy.stop()
            self.wire.stop()
            self.model.stop()
            if not os.environ.get("HICLAW_TEST_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    # --- resources ---

    def solo(self, model=MODEL, **more):
        return document("Worker", "solo",
                        {**about("solo", self.kind, model), **more})

    def everybody(self):
        manager = {"model": MODEL, "soul": "You manage.",
                   "runtime": self.kind if self.kind != "hermes"
                   else "openclaw"}
        team = {"description": "Two of them.",
                "leader": {"name": "boss", **about("boss", self.kind)},
                "workers": [{"name": "mate", **about("mate", self.kind)}]}
        return "\n---\n".join((document("Manager", "default", manager),
                               document("Team", "crew", team), self.solo()))

    def apply(self, yaml):
        return self.stack.apply(yaml, 180)

    # --- agents ---

    def home(self, name):
        return self.stack.controller.storage / "agents" / name

    def agent(self, name):
        role, team = {"boss": ("team_leader", "crew"),
                      "mate": ("worker", "crew")}.get(name, ("worker", ""))
        return Agent(name, self.home(name), role, team)

    def as_agent(self, name):
        """Somebody who speaks as this agent, by the service's token."""
        return client.Api(self.stack.hs.url, self.stack.as_token,
                          user_id(name))

    def config(self, name):
        return json.loads((self.home(name) / "openclaw.json").read_text())

    def key(self, name):
        """The key that stands in the files of an agent."""
        providers = self.config(name)["models"]["providers"]
        return next(iter(providers.values()))["apiKey"]

    def room(self, name):
        alias = "hiclaw_worker_solo" if name == "solo" else "hiclaw_team_crew"
        return client.eventually(lambda: self.stack.eyes.resolve(alias), 30,
                                 what=alias)

    def versions(self, name):
        """What tells one writing of the agent's files from the next."""
        home = self.home(name)
        return {str(p.relative_to(home)): p.stat().st_ino
                for pattern in ("*.json", "*.md", "config/*", ".hermes/.env",
                                ".hermes/config.yaml", ".hermes/*.md")
                for p in home.glob(pattern)}

