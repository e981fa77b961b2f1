"""Agents that live in containers: homeserver, controller, a real Envoy with the
parrot behind it, a real Podman, and hiclaw-nano as the image of every runtime.

Environment beside that of stack.py: HICLAW_NANO_STATIC, else HICLAW_NANO (the
static program: nothing else is in its image).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import client
import envoy as envoys
import podman
import stack as stacks
from client import eventually, quote
from stack import DOMAIN, ROOT

IMAGE = "hiclaw/nano:latest"
KEY = "sk-parrot-of-the-tests"
RUNTIMES = ("openclaw", "copaw", "hermes", "manager")


def nano():
    return os.environ.get("HICLAW_NANO_STATIC") or os.environ["HICLAW_NANO"]


def user_id(name):
    return f"@hiclaw_{name}:{DOMAIN}"


def document(kind, name, spec):
    # JSON is YAML: nothing to quote wrongly.
    return json.dumps({"apiVersion": "hiclaw.io/v1beta1", "kind": kind,
                       "metadata": {"name": name}, "spec": spec}, indent=1)


def mention(user, text):
    """As Element writes it."""
    local = user[1:].partition(":")[0]
    return {"msgtype": "m.text", "body": f"{local}: {text}",
            "format": "org.matrix.custom.html",
            "formatted_body":
                f'<a href="https://matrix.to/#/{user}">{local}</a>: {text}',
            "m.mentions": {"user_ids": [user]}}


class Parrot:
    def __init__(self, directory):
        self.port = stacks.free_ports(1)[0]
        key = pathlib.Path(directory) / "parrot.key"
        key.write_text(KEY)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "contrib" / "parrot" / "parrot.py"),
             "--port", str(self.port), "--key-file", str(key)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

    def stop(self):
        stacks.end(self.process)


class Fleet:
    """extra: more of the controller's settings; upstream: a model in place of
    the parrot (an object with url and stop)."""

    def __init__(self, template=None, extra=None, upstream=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hiclaw-fleet-"))
        self.stops, self.engine = [], None
        try:
            self._start(template, extra or {}, upstream)
        except BaseException:
            self.stop()
            raise

    def _start(self, template, extra, upstream):
        self.stops.append(lambda: shutil.rmtree(self.dir, ignore_errors=True))
        self.engine = podman.Podman()
        self.stops.append(self.engine.close)
        self.load_nano()
        self.upstream = upstream or Parrot(self.dir)
        self.stops.append(self.upstream.stop)
        self.port = stacks.free_ports(1)[0]
        self.door = f"http://{self.engine.gateway}:{self.port}"
        settings = {
            "gateway": {
                "provider": "envoy", "url": f"http://127.0.0.1:{self.port}",
                "agents_url": self.door,
                "listen": [f"127.0.0.1:{self.port}",
                           f"{self.engine.gateway}:{self.port}"],
                "directory": str(self.dir / "gateway"),
                "providers": [{"name": "parrot", "key": KEY,
                               "url": self.upstream.url + "/v1"}]},
            "containers": {
                "provider": "docker", "url": f"unix://{self.engine.socket}",
                "subnet": self.engine.subnet, "memory": 64},
            "agents": {"homeserver_url": self.door,
                       "images": dict.fromkeys(RUNTIMES, IMAGE)},
            "api": {"admin_token": "admin-token-of-the-tests"},
            "engine": {"resync": 5}}
        for section, values in extra.items():
            settings.setdefault(section, {}).update(values)
        (self.dir / "stack").mkdir()
        self.stack = stacks.Stack(self.dir / "stack", template, settings)
        self.stops.append(self.stack.stop)
        self.gateway = self._gateway()
        self.stops.append(self.gateway.stop)
        self.stack.start()
        self.stack.room

    def _gateway(self):
        out = subprocess.run(
            [stacks.controller_path(), "--config",
             str(self.stack.controller.config), "--prepare-gateway"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert out.returncode == 0, out.stderr
        return envoys.Envoy(self.dir / "gateway", self.port).start()

    def stop(self):
        while self.stops:
            try:
                self.stops.pop()()
            except Exception as e:      # the others have to go as well
                print(f"fleet: {e!r}", file=sys.stderr)

    def load_nano(self):
        tar = self.dir / "nano.tar"
        with open(tar, "wb") as f:
            subprocess.run([str(ROOT / "contrib" / "nano" / "image"),
                            nano()], check=True, stdout=f)
        status, text = self.engine.request(
            "POST", "/images/load?quiet=1", tar.read_bytes(),
            "application/x-tar")
        assert status == 200 and b'"error"' not in text, text

    # --- resources ---

    def apply(self, yaml, timeout=240):
        """Paste; what is asked about is wanted.  What came of it."""
        admin, room = self.stack.admin, self.stack.room
        reply = admin.answer(room, admin.paste(room, yaml), timeout)
        if reply.state == "question":
            reply = admin.ask(room, "yes", timeout)
        assert reply.state in ("done", "info"), reply
        admin.accept()
        return reply

    def ask(self, text, timeout=60):
        return self.stack.ask(text, timeout)

    # --- containers ---

    def name(self, agent):
        return f"{self.stack.instance}-{agent}"

    def inspect(self, agent):
        return self.engine.inspect(self.name(agent))

    def life(self, agent):
        """What tells one container, and one start of it, from the next."""
        c = self.inspect(agent)
        return (c["Id"], c["State"]["StartedAt"]) if c else (None, None)

    def ours(self):
        """Our containers by the agent's name, as the engine lists them."""
        return {c["Labels"]["hiclaw.io/name"]: c
                for c in self.engine.ours(self.stack.instance).values()}

    def running(self, agent):
        c = self.inspect(agent)
        return bool(c and c["State"]["Running"])

    def pid(self, agent):
        return self.inspect(agent)["State"]["Pid"]

    # --- REST ---

    def rest(self, method, path, token="admin-token-of-the-tests", body=None):
        """Status and JSON."""
        r = urllib.request.Request(
            self.stack.controller.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json",
                     **({"Authorization": f"Bearer {token}"}
                        if token else {})})
        try:
            with urllib.request.urlopen(r, timeout=30) as got:
                status, text = got.status, got.read()
        except urllib.error.HTTPError as e:
            status, text = e.code, e.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    # --- rooms ---

    def room(self, alias):
        return eventually(lambda: self.stack.eyes.resolve(alias), 30,
                          what=alias)

    def enter(self, person, alias):
        """The person takes the bot's invitations, and is in this room."""
        room = self.room(alias)

        def inside():
            person.accept()
            return room in person.get("/joined_rooms")["joined_rooms"]
        eventually(inside, 30, 0.2, f"{person.me} in {alias}")
        return room

    def say(self, person, room, content):
        return person.send(room, content)

    def said(self, person, room, agent, after=None):
        """What the agent said in the room after an event, edits put in: a list
        of (text, content of the last edit)."""
        page = person.get(f"/rooms/{quote(room)}/messages", dir="b",
                          limit=100)
        out, texts = [], {}
        events = list(reversed(page["chunk"]))
        ids = [e["event_id"] for e in events]
        start = ids.index(after) + 1 if after in ids else 0
        for e in events[start:]:
            if e["sender"] != user_id(agent) or \
                    e["type"] != "m.room.message":
                continue
            content = e["content"]
            relation = content.get("m.relates_to") or {}
            if relation.get("rel_type") == "m.replace":
                texts[relation["event_id"]] = content.get("m.new_content",
                                                          content)
            else:
                texts[e["event_id"]] = content
                out.append(e["event_id"])
        return [texts[i] for i in out]

    def answer(self, person, room, agent, text, timeout=30, test=None):
        """Mention it, and wait for an answer that passes; its content."""
        event = self.say(person, room, mention(user_id(agent), text))
        return self.heard(person, room, agent, event, timeout, test)

    def heard(self, person, room, agent, after, timeout=30, test=None):
        test = test or (lambda c: c.get("body"))

        def found():
            return next((c for c in self.said(person, room, agent, after)
                         if test(c)), None)
        return eventually(found, timeout, 0.2,
                          f"a word of {agent} in {room}")

    def silent(self, person, room, agent, after, seconds=6):
        """It says nothing for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = self.said(person, room, agent, after)
            assert not said, f"{agent} said {said}"
            time.sleep(0.5)

    def phase(self, kind, name):
        status, o = self.rest("GET", f"/api/v1/{kind}/{name}")
        return o.get("phase") if status == 200 else None
