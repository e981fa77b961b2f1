"""The envoy provider by hand, against a real Envoy: who gets in, what the
upstream sees, and that no change breaks a request."""
import json
import os
import stat
import threading
import time

import pytest

import envoy
import shell
import stack
import upstream

KEY = "sk-the-upstreams-own"


def consumer(name, serial=1, overlap=False):
    return {"name": name, "serial": serial, "overlap": overlap}


def route(*allowed, name="main", path="/v1"):
    return {"name": name, "path": path, "provider": name,
            "allowed": sorted(allowed)}


class House:
    def __init__(self, tmp):
        self.up = upstream.Upstream()
        self.port = stack.free_ports(1)[0]
        self.dir = tmp / "gateway"
        self.providers = [
            {"name": "main", "url": self.up.url + "/base/v1", "key": KEY},
            {"name": "bare", "url": self.up.url}]
        self.mcps = [{"name": "tools", "url": self.up.url + "/mcp",
                      "key": "mcp-token"}]
        self.settings = {"instance": "hiclaw-0123abcd", "gateway": {
            "provider": "envoy", "directory": str(self.dir),
            "url": f"http://127.0.0.1:{self.port}",
            "listen": [f"127.0.0.1:{self.port}"],
            "homeserver_url": self.up.url,
            "providers": self.providers, "mcp_servers": self.mcps}}
        self.sh = shell.Shell("envoy", self.settings)
        self.sh.query(op="status")      # it is open: the files are there
        self.envoy = envoy.Envoy(self.dir, self.port).start()
        self.key = {}

    def consumers(self, *names):
        works = {}
        for n in names:
            self.key.setdefault(n, f"key-of-{n}-" + "0" * 40)
            works["consumer:" + n] = (consumer(n), {"key": self.key[n]})
        for a in self.sh.many("ensure", works).values():
            assert a["rc"] == 0, a
            assert a["left"] == []

    def provider(self, name="main"):
        p = next(p for p in self.providers if p["name"] == name)
        form = {"name": name, "url": p["url"]}
        if "key" in p:
            form["key_id"] = "0123"
        self.sh.ensure("provider:" + name, form)

    def stop(self):
        self.sh.close(KEY, *self.key.values())
        self.envoy.stop()
        self.up.stop()


@pytest.fixture
def house(tmp_path):
    h = House(tmp_path)
    yield h
    h.stop()


def test_who_gets_in(house):
    house.consumers("worker-a", "worker-b")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    ask = house.envoy.status
    assert ask("/v1/chat/completions", house.key["worker-a"]) == 200
    assert ask("/v1/chat/completions", house.key["worker-b"]) == 403
    assert ask("/v1/chat/completions", "made-up") == 401
    assert ask("/v1/chat/completions") == 401
    assert ask("/v1x", house.key["worker-a"]) == 404
    assert ask("/anything", house.key["worker-a"]) == 404
    # A list with nobody on it lets nobody in.
    house.sh.ensure("route:main", route())
    assert ask("/v1/models", house.key["worker-a"]) == 403
    # The probes are for probes.
    for what in ("keys", "routes", "clusters"):
        assert ask("/.hiclaw/" + what, house.key["worker-a"]) == 403
        assert ask("/.hiclaw/" + what) == 401
    # Unwanted ways around: dot segments and escaped slashes.
    house.sh.ensure("route:main", route("worker-a"))
    assert ask("/x/../v1/models", house.key["worker-b"]) == 403
    assert ask("/%2fv1/models", house.key["worker-a"]) == 400


def test_what_the_upstream_sees(house):
    house.consumers("worker-a")
    house.provider()
    house.provider("bare")
    house.sh.ensure("route:main", route("worker-a"))
    house.sh.ensure("route:bare", route("worker-a", name="bare",
                                        path="/providers/bare/v1"))
    status, _, _ = house.envoy.ask(
        "/v1/chat/completions?x=1", house.key["worker-a"], "POST", b"{}",
        {envoy_header(): "worker-forged", "Content-Type": "application/json"})
    assert status == 200
    seen = house.up.seen[-1]
    assert seen["path"] == "/base/v1/chat/completions?x=1"
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"
    assert seen["headers"][envoy_header()] == "worker-a"
    assert seen["headers"]["host"] == f"127.0.0.1:{house.up.port}"
    assert house.key["worker-a"] not in json.dumps(seen["headers"])
    # One without a key and without a path of its own.
    assert house.envoy.status("/providers/bare/v1/models",
                              house.key["worker-a"]) == 200
    seen = house.up.seen[-1]
    assert seen["path"] == "/models"
    assert "authorization" not in seen["headers"]
    # The homeserver is behind the same door, without a key, and only as much
    # of it as agents need; nobody can claim to be a consumer there.
    assert house.envoy.status("/_matrix/client/versions", headers={
        envoy_header(): "worker-a", "Authorization": "Bearer syt_x"}) == 200
    seen = house.up.seen[-1]
    assert seen["headers"]["authorization"] == "Bearer syt_x"
    assert envoy_header() not in seen["headers"]
    for path in ("/_synapse/admin/v1/users", "/_matrix/federation/v1/version"):
        assert house.envoy.status(path) == 401
        assert house.envoy.status(path, house.key["worker-a"]) == 404


def envoy_header():
    return "x-hiclaw-consumer"


def test_mcp_and_exposed_ports(house):
    house.consumers("worker-a", "worker-b")
    house.sh.ensure("mcp:tools", {
        "name": "tools", "path": "/mcp-servers/tools", "transport": "http",
        "url": house.up.url + "/mcp", "key_id": "77",
        "allowed": ["worker-a"]})
    for path in ("/mcp-servers/tools", "/mcp-servers/tools/mcp"):
        assert house.envoy.status(path, house.key["worker-a"]) == 200
        assert house.up.seen[-1]["path"] == "/mcp"
        assert house.up.seen[-1]["headers"]["authorization"] == \
            "Bearer mcp-token"
        assert house.envoy.status(path, house.key["worker-b"]) == 403
    form = {"agent": "a", "allowed": ["worker-b"], "open": False,
            "host": "worker-a-3000-x.org", "port": house.up.port,
            "protocol": "http", "target": "127.0.0.1"}
    house.sh.ensure("expose:a-3000", form)
    assert house.sh.observed["expose:a-3000"]["url"] == \
        f"http://worker-a-3000-x.org:{house.port}"
    host = {"Host": f"worker-a-3000-x.org:{house.port}"}
    assert house.envoy.status("/index", headers=host) == 401
    assert house.envoy.status("/index", house.key["worker-a"],
                              headers=host) == 403
    assert house.envoy.status("/index", house.key["worker-b"],
                              headers=host) == 200
    assert house.up.seen[-1]["path"] == "/index"
    house.sh.ensure("expose:a-3000", dict(form, open=True))
    assert house.envoy.status("/index", headers=host) == 200
    house.sh.remove("expose:a-3000")
    assert house.envoy.status("/index", headers=host) == 401


def test_changes_under_load(house):
    """Allow lists, keys and clusters change; nobody who may is ever refused."""
    house.consumers("worker-a", "worker-b")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    took = []
    with envoy.Load(house.envoy, "/v1/chat/completions",
                    house.key["worker-a"]) as load:
        for i in range(20):
            names = [f"worker-{i}-{k}" for k in range(5)]
            began = time.monotonic()
            house.consumers(*names)
            house.sh.ensure("route:main", route("worker-a", *names))
            took.append(time.monotonic() - began)
            assert house.envoy.status("/v1/models",
                                      house.key[names[0]]) == 200
            began = time.monotonic()
            for a in house.sh.many("remove", {
                    "consumer:" + n: None for n in names}).values():
                assert a["rc"] == 0, a
            assert house.envoy.status("/v1/models",
                                      house.key[names[0]]) == 401
            assert time.monotonic() - began < 1
        house.provider("bare")
    assert load.failures == [], load.counts
    assert load.counts[200] > 100
    print(f"{load.counts[200]} requests; keys and list in force after "
          f"{sorted(took)[10] * 1000:.0f} ms (median)")


def test_rotation_under_load(house):
    house.consumers("worker-a")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    old, new = house.key["worker-a"], "key-new-" + "1" * 40
    now = [old]
    with envoy.Load(house.envoy, "/v1/x", lambda: now[0]) as load:
        time.sleep(0.2)
        house.sh.ensure("consumer:worker-a", consumer("worker-a", 2, True),
                        secrets={"key": new, "old_key": old})
        assert house.envoy.status("/v1/x", old) == 200
        now[0] = new                    # the agent has read its new file
        time.sleep(0.3)
        house.sh.ensure("consumer:worker-a", consumer("worker-a", 2, False),
                        secrets={"key": new})
        time.sleep(0.2)
    assert load.failures == [], load.counts
    assert house.envoy.status("/v1/x", old) == 401
    assert house.envoy.status("/v1/x", new) == 200


def test_no_stream_is_cut(house):
    """An answer that takes its time survives every kind of change."""
    house.consumers("worker-a")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    got = []
    t = threading.Thread(target=lambda: got.append(house.envoy.ask(
        "/v1/slow", house.key["worker-a"], "POST", b"{}")))
    t.start()
    time.sleep(0.2)
    house.consumers("worker-b")
    house.sh.ensure("route:main", route("worker-b"))
    house.provider("bare")
    house.sh.ensure("route:bare", route("worker-b", name="bare",
                                        path="/providers/bare/v1"))
    house.sh.many("remove", {"consumer:worker-a": None})
    t.join(20)
    assert got and got[0][0] == 200
    assert got[0][2].count(b"data:") == 10


def test_many_are_one_write(house):
    house.provider()
    files = [house.dir / f for f in ("keys.json", "routes.json")]
    before = [f.stat().st_ino for f in files]
    names = [f"worker-{i}" for i in range(100)]
    writes = []
    stop = threading.Event()

    def watch():
        last = list(before)
        while not stop.is_set():
            for i, f in enumerate(files):
                ino = f.stat().st_ino
                if ino != last[i]:
                    last[i] = ino
                    writes.append(f.name)
    t = threading.Thread(target=watch)
    t.start()
    house.consumers(*names)
    house.sh.ensure("route:main", route(*names))
    stop.set()
    t.join()
    assert writes == ["keys.json", "routes.json"]
    # Again: nothing is written.
    house.consumers(*names)
    house.sh.ensure("route:main", route(*names))
    house.provider()
    assert [f.stat().st_ino for f in files] != before
    last = [f.stat().st_ino for f in files]
    assert house.sh.observe() == {}
    assert [f.stat().st_ino for f in files] == last


def test_drift_and_an_edit_by_hand(house):
    house.consumers("worker-a", "worker-b")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    assert house.sh.observe() == {}
    # Somebody adds a client of theirs to the list: it stays.
    f = house.dir / "routes.json"
    f.write_text(f.read_text().replace('"allowed_clients":["worker-a"]',
                                       '"allowed_clients":["guest",'
                                       '"worker-a"]'))
    changed = house.sh.observe()
    assert changed["route:main"]["foreign"] == ["guest"]
    assert changed["route:main"]["allowed"] == ["worker-a"]
    assert house.sh.left("route:main", route("worker-a")) == []
    house.sh.ensure("route:main", route("worker-a", "worker-b"))
    assert "guest" in f.read_text()
    assert house.envoy.status("/v1/x", house.key["worker-b"]) == 200
    # Somebody takes ours away, and a key, and the lot.
    f.write_text(f.read_text().replace('"worker-b"', '"worker-x"'))
    changed = house.sh.observe()
    assert changed["route:main"] is None or \
        changed["route:main"]["allowed"] == ["worker-a"]
    house.sh.ensure("route:main", route("worker-a", "worker-b"))
    assert house.envoy.status("/v1/x", house.key["worker-b"]) == 200
    k = house.dir / "keys.json"
    k.write_text(k.read_text().replace(house.key["worker-b"], "stolen"))
    assert house.sh.observe()["consumer:worker-b"] is None
    house.consumers("worker-b")
    assert house.envoy.status("/v1/x", house.key["worker-b"]) == 200
    for name in ("keys.json", "routes.json", "clusters.json",
                 "key-provider-main.json"):
        (house.dir / name).unlink()
    changed = house.sh.observe()
    assert all(v is None for v in changed.values()) and len(changed) == 4
    house.consumers("worker-a", "worker-b")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    assert house.envoy.status("/v1/x", house.key["worker-a"]) == 200
    assert house.up.seen[-1]["headers"]["authorization"] == f"Bearer {KEY}"


def test_envoy_dies_and_comes_back(house):
    house.consumers("worker-a")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    house.envoy.kill()
    with pytest.raises(shell.Failed) as failed:
        house.consumers_one = house.sh.ensure(
            "consumer:worker-b", consumer("worker-b"),
            secrets={"key": "late" * 16})
    assert failed.value.kind == "retry"
    assert "does not answer" in failed.value.msg
    with pytest.raises(shell.Failed):
        house.sh.observe()
    house.envoy.start()
    assert house.envoy.status("/v1/x", house.key["worker-a"]) == 200
    house.sh.ensure("consumer:worker-b", consumer("worker-b"),
                    secrets={"key": "late" * 16})
    assert house.envoy.status("/v1/x", "late" * 16) == 403
    assert house.sh.observe() == {}


def test_controller_dies_and_comes_back(house):
    house.consumers("worker-a")
    house.provider()
    house.sh.ensure("route:main", route("worker-a"))
    seen = dict(house.sh.observed)
    house.sh.proc.kill()
    house.sh.proc.wait()
    (house.dir / "keys.json.new").write_text("half")    # a kill in a write
    house.sh = shell.Shell("envoy", house.settings)
    house.sh.observed = seen
    assert house.sh.observe() == {}
    assert house.sh.ensure("route:main", route("worker-a")) == []
    house.consumers("worker-a", "worker-b")
    assert house.envoy.status("/v1/x", house.key["worker-a"]) == 200


def test_files_are_ours_alone(house):
    house.consumers("worker-a")
    house.provider()
    assert stat.S_IMODE(os.stat(house.dir).st_mode) == 0o700
    for f in house.dir.iterdir():
        assert stat.S_IMODE(f.stat().st_mode) == 0o600, f
    text = (house.dir / "clusters.json").read_text() \
        + (house.dir / "routes.json").read_text()
    assert KEY not in text and house.key["worker-a"] not in text
    status = house.sh.query(op="status")
    assert status["answers"] and status["consumers"] == 1


def test_bad_upstreams(house):
    for url in ("ftp://x/v1", "http://", "http://a:99999/v1", "http://u@h/",
                "http://h:port/"):
        with pytest.raises(shell.Failed) as failed:
            house.sh.ensure("provider:x", {"name": "x", "url": url})
        assert failed.value.kind == "user", url
    # Nothing of it is left, and what follows works.
    house.provider()


def test_tls_upstream(tmp_path):
    """Only who can prove the name is an upstream."""
    import ssl
    import subprocess
    for name in ("good", "bad"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(tmp_path / f"{name}.key"),
             "-out", str(tmp_path / f"{name}.pem")],
            check=True, capture_output=True)
    ups = {}
    for name in ("good", "bad"):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        ups[name] = upstream.Upstream(ctx)
    port = stack.free_ports(1)[0]
    settings = {"instance": "hiclaw-0123abcd", "gateway": {
        "provider": "envoy", "directory": str(tmp_path / "g"),
        "url": f"http://127.0.0.1:{port}", "listen": [f"127.0.0.1:{port}"],
        "providers": [{"name": n, "url": u.url + "/v1", "key": KEY}
                      for n, u in ups.items()]}}
    sh = shell.Shell("envoy", settings,
                     env={"SSL_CERT_FILE": str(tmp_path / "good.pem")})
    sh.query(op="status")
    e = envoy.Envoy(tmp_path / "g", port).start()
    try:
        sh.ensure("consumer:w", consumer("w"), secrets={"key": "k" * 64})
        for n, u in ups.items():
            sh.ensure("provider:" + n, {"name": n, "url": u.url + "/v1",
                                        "key_id": "1"})
            sh.ensure("route:" + n, route("w", name=n, path="/" + n))
        assert e.status("/good/x", "k" * 64) == 200
        assert ups["good"].seen[-1]["headers"]["authorization"] == \
            f"Bearer {KEY}"
        assert e.status("/bad/x", "k" * 64) == 503
        assert ups["bad"].seen == []
    finally:
        sh.close(KEY)
        e.stop()
        for u in ups.values():
            u.stop()
