"""Gateway and controller together: a pasted Worker has its key, its routes and
no more, and keeps them whatever happens to either side."""
import concurrent.futures
import json
import time

import envoy as envoys
import pytest
import stack as stacks
import upstream
from client import eventually

WORKER = """apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {{name: {name}}}
spec:
  model: {model}
{more}"""


def worker(name, model="m-main", more=""):
    return WORKER.format(name=name, model=model, more=more)


class House:
    def __init__(self, template):
        self.up = upstream.Upstream()
        self.port = stacks.free_ports(1)[0]
        self.s = stacks.Stack(template=template, extra={
            "engine": {"resync": 2},
            "gateway": {
                "provider": "envoy",
                "url": f"http://127.0.0.1:{self.port}",
                "rotation_overlap": 6,
                "expose_domain": "x.example.org",
                "providers": [
                    {"name": "main", "url": self.up.url + "/v1",
                     "key": "sk-main"},
                    {"name": "other", "url": self.up.url + "/other/v1",
                     "key": "sk-other", "models": ["o-*"]}],
                "mcp_servers": [{"name": "tools",
                                 "url": self.up.url + "/mcp"}]}})
        self.dir = self.s.dir / "controller" / "gateway"
        config = json.loads(self.s.controller.config.read_text())
        config["gateway"]["directory"] = str(self.dir)
        self.s.controller.config.write_text(json.dumps(config))
        self.bootstrap()
        self.envoy = envoys.Envoy(self.dir, self.port).start()
        self.s.start()
        self.s.room

    def bootstrap(self):
        import subprocess
        out = subprocess.run(
            [stacks.controller_path(), "--config",
             str(self.s.controller.config), "--prepare-gateway"],
            capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        assert out.stdout.strip() == str(self.dir / "bootstrap.json")

    def keys(self):
        """What Envoy has: {consumer: [key, ...]}."""
        file = json.loads((self.dir / "keys.json").read_text())
        out = {}
        for c in file["resources"][0]["typed_config"]["credentials"]:
            out.setdefault(c["client"], []).append(c["key"])
        return out

    def key(self, name):
        return self.keys()[f"worker-{name}"][0]

    def stop(self):
        self.envoy.stop()
        self.up.stop()
        self.s.stop()


@pytest.fixture(scope="module")
def house(template):
    h = House(template)
    yield h
    errors = h.s.controller.errors()
    h.stop()
    assert not errors, "\n".join(errors)


def test_each_its_own(house):
    house.s.apply(worker("ada") + "---\n" + worker("bob", "o-large"))
    ask = house.envoy.status
    ada, bob = house.key("ada"), house.key("bob")
    assert ada != bob and len(ada) == 64
    assert ask("/v1/models", ada) == 200
    assert house.up.seen[-1]["headers"]["authorization"] == "Bearer sk-main"
    assert house.up.seen[-1]["headers"]["x-hiclaw-consumer"] == "worker-ada"
    assert ask("/providers/other/v1/models", ada) == 403
    assert ask("/providers/other/v1/models", bob) == 200
    assert house.up.seen[-1]["path"] == "/other/v1/models"
    assert house.up.seen[-1]["headers"]["authorization"] == "Bearer sk-other"
    assert ask("/v1/models", bob) == 403
    assert ask("/mcp-servers/tools", ada) == 403
    # The key is in no room and in no log.
    log = house.s.controller.log.read_text(errors="replace")
    assert ada not in log and "sk-main" not in log
    texts = json.dumps(house.s.admin.history(house.s.room))
    assert ada not in texts and "sk-main" not in texts


def test_grants_by_manifest(house):
    house.s.apply(worker("ada", more="""  accessEntries:
  - service: ai-gateway
    scope: {providers: [other], mcpServers: [tools]}
  expose: [{port: 3000}]
"""))
    ada = house.key("ada")
    assert house.envoy.status("/providers/other/v1/x", ada) == 200
    assert house.envoy.status("/mcp-servers/tools/mcp", ada) == 200
    host = {"Host": "worker-ada-3000-x.example.org"}
    assert house.envoy.status("/", headers=host) == 401
    assert house.envoy.status("/", house.key("bob"), headers=host) == 403
    room = house.s.room
    reply = house.s.admin.answer(room, house.s.admin.paste(room,
                                                           worker("ada")))
    assert reply.state == "question" and "delete expose ada-3000" in str(reply)
    assert house.s.ask("yes").state == "done"
    assert house.envoy.status("/providers/other/v1/x", ada) == 403
    assert house.envoy.status("/", house.key("bob"), headers=host) == 404
    assert house.envoy.status("/mcp-servers/tools/mcp", ada) == 403
    assert house.envoy.status("/v1/x", ada) == 200


def test_deleted_is_locked_out(house):
    house.s.apply(worker("eve"))
    eve, ada = house.key("eve"), house.key("ada")
    assert house.envoy.status("/v1/x", eve) == 200
    with envoys.Load(house.envoy, "/v1/x", ada, threads=2) as load:
        assert house.s.ask("!hiclaw delete worker eve").state == "question"
        house.s.admin.send(house.s.room, "yes")
        eventually(lambda: "worker-eve" not in house.keys(), 20, 0.02,
                   "the key to go")
        eventually(lambda: house.envoy.status("/v1/x", eve) == 401, 1, 0.02,
                   "401 within a second")
    assert load.failures == [], load.counts


def test_both_sides_killed(house):
    ada = house.key("ada")
    house.envoy.kill()
    house.s.controller.kill()
    house.envoy.start()
    assert house.envoy.status("/v1/x", ada) == 200     # without us, too
    house.s.controller.start()
    house.s.apply(worker("late"))
    assert house.envoy.status("/v1/x", house.key("late")) == 200
    assert house.envoy.status("/v1/x", ada) == 200


def test_drift_is_put_right(house):
    file = house.dir / "keys.json"
    ada = house.key("ada")
    file.write_text(file.read_text().replace(ada, "stolen"))
    eventually(lambda: house.key("ada") == ada, 20, 0.1, "the key to be back")
    (house.dir / "routes.json").unlink()
    eventually(lambda: house.envoy.status("/v1/x", ada) == 200
               and (house.dir / "routes.json").exists(), 20, 0.1,
               "the routes to be back")


def test_grants_in_chat(house):
    ask, status = house.s.ask, house.envoy.status
    house.s.apply(worker("cy"))
    key = house.key("cy")
    reply = ask("!hiclaw gateway status")
    assert reply.state == "info" and "envoy answers" in str(reply), reply
    assert "main `/v1`" in str(reply) and "sk-main" not in str(reply)
    assert status("/providers/other/v1/x", key) == 403
    assert ask("!hiclaw gateway grant cy other mcp/tools").state == "done"
    assert status("/providers/other/v1/x", key) == 200
    assert status("/mcp-servers/tools/mcp", key) == 200
    assert "route other" in str(ask("!hiclaw gateway status cy"))
    assert ask("!hiclaw gateway revoke cy other").state == "done"
    eventually(lambda: status("/providers/other/v1/x", key) == 403, 1, 0.02,
               "403 within a second")
    assert status("/mcp-servers/tools/mcp", key) == 200
    reply = ask("!hiclaw gateway revoke cy main")
    assert reply.state == "refused" and "spec.model" in str(reply), reply
    assert status("/v1/x", key) == 200


def test_rotation_in_chat(house):
    old = house.key("cy")
    with envoys.Load(house.envoy, "/v1/x", old, threads=2) as load:
        reply = house.s.ask("!hiclaw rotate cy")
        assert reply.state == "done", reply
        keys = house.keys()["worker-cy"]
        assert len(keys) == 2 and old in keys
    assert load.failures == [], load.counts
    new = next(k for k in keys if k != old)
    assert house.envoy.status("/v1/x", new) == 200
    eventually(lambda: house.envoy.status("/v1/x", old) == 401, 20, 0.1,
               "the end of the old key")
    assert house.envoy.status("/v1/x", new) == 200
    home = house.s.controller.storage / "agents" / "cy"
    assert new in (home / "openclaw.json").read_text()
    assert old not in (home / "openclaw.json").read_text()


def test_files_in_chat(house):
    ask, key = house.s.ask, house.key("cy")
    home = house.s.controller.storage / "agents" / "cy"
    (home / "notes.env").write_text(f"A={key}\nMY_TOKEN=ab,cd\nX=```y\n")
    reply = str(ask("!hiclaw files cy"))
    assert "openclaw.json" in reply and "shared: plugins" in reply, reply
    assert "`notes.env`" in reply and "the agent's own" in reply, reply
    text = (home / "openclaw.json").read_text()
    reply = str(ask("!hiclaw cat cy openclaw.json"))
    assert key in text and key not in reply and "***" in reply
    reply = str(ask("!hiclaw cat cy notes.env"))
    assert "A=***" in reply and "MY_TOKEN=***" in reply, reply
    assert "ab,cd" not in reply and "X=```y" in reply, reply
    reply = ask("!hiclaw cat cy nothing.md")
    assert reply.state == "refused" and "not there" in str(reply), reply
    reply = ask("!hiclaw plan\n```yaml\n" + worker("cy", "m-else") + "```")
    assert "+" in str(reply) and "m-else" in str(reply), reply
    assert "openclaw.json (shared with the agent)" in str(reply), reply
    assert key not in json.dumps(house.s.admin.history(house.s.room))


def test_a_hundred_at_once(house):
    names = [f"w{i}" for i in range(100)]
    seen = {"keys.json": set(), "routes.json": set()}
    stop = time.monotonic() + 240
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(house.s.apply, "---\n".join(
            worker(n) for n in names), 240)
        while not done.done() and time.monotonic() < stop:
            for f in seen:
                try:
                    seen[f].add((house.dir / f).stat().st_ino)
                except FileNotFoundError:
                    pass
            time.sleep(0.005)
        done.result()
    # The file as it was, and one or two more: not one for each worker.
    assert len(seen["keys.json"]) <= 4, seen
    assert len(seen["routes.json"]) <= 4, seen
    keys = house.keys()
    for n in (names[0], names[50], names[99]):
        assert house.envoy.status("/v1/x", keys[f"worker-{n}"][0]) == 200


def test_gateway_away_and_back(house):
    house.envoy.kill()
    house.s.admin.paste(house.s.room, worker("waits"))
    eventually(lambda: "worker-waits" in house.keys(), 20, 0.1,
               "the file to be written")
    eventually(lambda: house.s.controller.metrics().get(
        'hiclaw_system_up{system="envoy"}') == 0, 30, 0.2,
        "the outage to be noticed")
    house.envoy.start()
    eventually(lambda: house.s.controller.metrics().get(
        'hiclaw_system_up{system="envoy"}') == 1, 30, 0.2, "its end")
    assert house.envoy.status("/v1/x", house.key("waits")) == 200
