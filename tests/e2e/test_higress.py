"""The Higress provider on a Console: the simulated one of tests/lib, or a real
one with HICLAW_TEST_CONSOLE=http://user:password@host:port.  What only happens
under contention, and the gateway itself, are always simulated."""
import base64
import hashlib
import json
import os
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from fakehigress import FakeGateway, FakeHigress
from shell import Failed, Shell

REAL = os.environ.get("HICLAW_TEST_CONSOLE")
INSTANCE = "hiclaw-1234abcd"


def key_id(key):
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class Api:
    """A person at the Console."""

    def __init__(self, url, user, password, fake=None):
        self.url, self.user, self.password = url, user, password
        self.fake, self.uid = fake, secrets.token_hex(3)

    def call(self, method, path, body=None):
        basic = base64.b64encode(f"{self.user}:{self.password}".encode())
        q = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json",
                     "Authorization": "Basic " + basic.decode()})
        try:
            with urllib.request.urlopen(q, timeout=30) as r:
                text = r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()
        v = json.loads(text) if text else None
        return 200, v["data"] if method == "GET" and "data" in v else v

    def get(self, path):
        status, v = self.call("GET", path)
        assert status in (200, 404, 502), (path, status, v)
        return v if status == 200 else None

    def do(self, method, path, body=None):
        status, v = self.call(method, path, body)
        assert status == 200, (method, path, status, v)
        return v

    def keys(self, consumer):
        v = self.get("/v1/consumers/" + consumer)
        return v and v["credentials"][0]["values"]

    def allowed(self, route):
        """Of an AI route, by both views, which must agree."""
        a = self.get("/v1/ai/routes/" + route)["authConfig"]
        b = self.get(f"/v1/routes/ai-route-{route}.internal")["authConfig"]
        assert a["enabled"] and b["enabled"], (a, b)
        assert set(a["allowedConsumers"]) == set(b["allowedConsumers"])
        return sorted(a["allowedConsumers"])

    def clean(self):
        """In an order in which nothing is in use."""
        for path in ("/v1/ai/routes", "/v1/routes", "/v1/mcpServer",
                     "/v1/ai/providers", "/v1/service-sources", "/v1/domains",
                     "/v1/consumers"):
            for v in self.get(path):
                if self.uid in v["name"] and \
                        not v["name"].endswith(".internal"):
                    self.call("DELETE", f"{path}/{v['name']}")


@pytest.fixture
def fake():
    f = FakeHigress().start()
    yield f
    f.stop()
    assert f.overlaps == 0, "two writes at once"


@pytest.fixture
def api(request):
    """The Console to be tested on."""
    if REAL:
        u = urllib.parse.urlsplit(REAL)
        a = Api(f"{u.scheme}://{u.hostname}:{u.port}", u.username, u.password)
        yield a
        a.clean()
    else:
        f = request.getfixturevalue("fake")
        yield Api(f.url, f.user, f.password, f)


@pytest.fixture
def faulty(fake):
    """A Console with faults: never a real one."""
    return Api(fake.url, fake.user, fake.password, fake)


class House:
    """Desired forms, and the shell that makes them."""

    def __init__(self, api, gateway_url="", **more):
        self.api, u = api, api.uid
        self.q = f"q{u}"
        self.llm_key, self.mcp_key = "sk-" + "1" * 30, "mcp-" + "2" * 30
        self.keys = {}
        self.shell = Shell("higress", {"instance": INSTANCE, "gateway": {
            "provider": "higress", "url": gateway_url,
            "console_url": api.url, "console_user": api.user,
            "console_password": api.password,
            "providers": [{"name": self.q, "key": self.llm_key,
                           "url": "https://llm.example.org/v1"}],
            "mcp_servers": [{"name": f"m{u}", "key": self.mcp_key,
                             "url": "https://mcp.example.org/mcp"}],
            **more}})

    def name(self, i):
        return f"worker-{self.api.uid}-{i}"

    def consumer(self, i, serial=1, overlap=False, old=None):
        name = self.name(i)
        key = self.keys.setdefault((name, serial), secrets.token_hex(32))
        s = {"key": key}
        if serial > 1:
            s["old_key"] = old or self.keys[name, serial - 1]
        return (f"consumer:{name}", ({"name": name, "serial": serial,
                                      "overlap": overlap}, s))

    def consumers(self, n):
        return self.shell.many("ensure",
                               dict(self.consumer(i) for i in range(n)))

    def provider(self, **more):
        return (f"provider:{self.q}",
                {"name": self.q, "url": "https://llm.example.org/v1",
                 "key_id": key_id(self.llm_key), **more})

    def route(self, allowed, **more):
        return (f"route:{self.q}",
                {"name": self.q, "path": f"/{self.q}/v1", "provider": self.q,
                 "allowed": sorted(self.name(i) for i in allowed), **more})

    def mcp(self, allowed, keyed=False, **more):
        name = "m" + self.api.uid
        form = {"name": name, "path": f"/mcp-servers/{name}",
                "transport": "http", "url": "https://mcp.example.org/mcp",
                "allowed": sorted(self.name(i) for i in allowed)}
        if keyed:
            form["key_id"] = key_id(self.mcp_key)
        return f"mcp:{name}", {**form, **more}

    def expose(self, allowed, **more):
        agent = "a" + self.api.uid
        return (f"expose:{agent}-3000",
                {"agent": agent, "port": 3000, "protocol": "http",
                 "host": f"worker-{agent}-3000-local.hiclaw.io",
                 "target": f"{agent}.local", "open": False,
                 "allowed": sorted(self.name(i) for i in allowed), **more})

    def everything(self, n=3):
        self.consumers(n)
        for key, form in (self.provider(), self.route(range(n)),
                          self.mcp(range(n)), self.expose(range(n))):
            self.shell.ensure(key, form)

    def close(self):
        text = self.shell.close(self.api.password, self.llm_key, self.mcp_key,
                                *self.keys.values())
        return text


@pytest.fixture
def house(api):
    h = House(api)
    yield h
    h.close()


@pytest.fixture
def bad(faulty):
    """The house on a Console with faults."""
    h = House(faulty)
    yield h
    h.close()


# --- consumers ---


def test_consumers_in_one_batch(house, api):
    answers = house.consumers(30)
    assert {a["rc"] for a in answers.values()} == {0}
    # One more GET: is the Console initialised?
    assert (house.shell.calls, house.shell.writes) == (33, 30)
    for i in range(30):
        name = house.name(i)
        assert api.keys(name) == [house.keys[name, 1]]
        assert answers[f"consumer:{name}"]["observed"]["key_id"] == \
            key_id(house.keys[name, 1])
    house.consumers(30)
    assert (house.shell.calls, house.shell.writes) == (1, 0)


def test_rotation_with_overlap(house, api):
    house.consumers(1)
    name = house.name(0)
    key, (form, s) = house.consumer(0, 2, True)
    assert house.shell.left(key, form) == \
        [["key", "in use", "a new one", "credential"]]
    assert house.shell.ensure(key, form, secrets=s) == ["new key"]
    assert api.keys(name) == [house.keys[name, 2], house.keys[name, 1]]
    key, (form, s) = house.consumer(0, 2, False)
    assert house.shell.ensure(key, form, secrets={"key": s["key"]}) == \
        ["old key ended"]
    assert api.keys(name) == [house.keys[name, 2]]


def test_consumer_of_somebody_else(house, api):
    name = house.name(0)
    theirs = {"name": name, "credentials": [
        {"type": "key-auth", "source": "BEARER", "values": ["theirs" * 5]}]}
    api.do("POST", "/v1/consumers", theirs)
    key, (form, s) = house.consumer(0)
    with pytest.raises(Failed, match="not ours") as e:
        house.shell.ensure(key, form, secrets=s)
    assert e.value.kind == "conflict" and s["key"] not in e.value.msg
    assert api.keys(name) == ["theirs" * 5]
    # Nothing known of it: it is nothing that we could take away.
    assert house.shell.remove(key) == []
    assert api.keys(name) == ["theirs" * 5]


def test_consumer_is_adopted_by_its_key(house, api):
    key, (form, s) = house.consumer(0)
    house.shell.ensure(key, form, secrets=s)
    assert house.shell.ensure(key, form, observed=None, secrets=s,
                              may_exist=True) == []


@pytest.mark.parametrize("source, header", [
    ("BEARER", None), ("HEADER", "x-key"), ("HEADER", "Authorization")])
def test_no_key_twice(house, api, source, header):
    """The Console lets some of these pass; the gateway would go blind."""
    key, (form, s) = house.consumer(0)
    value = f"Bearer {s['key']}" if header == "Authorization" else s["key"]
    if header == "Authorization":
        header = "authorization"        # read back as it was written
    api.do("POST", "/v1/consumers", {
        "name": f"other-{api.uid}", "credentials": [
            {"type": "key-auth", "source": source, "key": header,
             "values": [value]}]})
    with pytest.raises(Failed, match=f"other-{api.uid}") as e:
        house.shell.ensure(key, form, secrets=s)
    assert e.value.kind == "conflict" and s["key"] not in e.value.msg
    assert api.keys(house.name(0)) is None


@pytest.mark.parametrize("name", ["a/b", "a b", "", "a\nb", "..", "x" * 300])
def test_names_that_never_go_away_again(house, name):
    answer = house.shell.attempt(
        "ensure", "consumer:x", {"name": name, "serial": 1, "overlap": False},
        secrets={"key": "k" * 64})
    assert answer["err"]["kind"] == "user"
    assert answer["writes"] == 0


def test_consumer_leaves_every_list(house, api):
    """In lists of others, too; one write each, and the rest stays."""
    house.everything(4)
    u = api.uid
    mine, other = house.name(0), f"other-{u}"
    api.do("POST", "/v1/ai/routes", {
        "name": f"theirs-{u}", "pathPredicate": {
            "matchType": "PRE", "matchValue": f"/t{u}",
            "caseSensitive": True},
        "upstreams": [{"provider": f"hiclaw-q{u}", "weight": 100}],
        "authConfig": {"enabled": True, "allowedCredentialTypes": ["key-auth"],
                       "allowedConsumers": [mine, house.name(1), other]}})
    api.do("POST", "/v1/routes", {
        "name": f"plain-{u}", "path": {
            "matchType": "PRE", "matchValue": f"/p{u}"},
        "services": [{"name": "x.dns", "port": 80, "weight": 100}],
        "authConfig": {"enabled": False, "allowedConsumers": [mine, other]}})
    works = {f"consumer:{house.name(i)}": None for i in (0, 1)}
    answers = house.shell.many("remove", works)
    assert [a["did"] for a in answers.values()] == [["removed"]] * 2
    # Of route, exposed port, MCP server, their AI route, their route: one
    # write each; and two consumers.
    assert house.shell.writes == 7
    assert api.allowed(f"theirs-{u}") == [other]
    auth = api.get(f"/v1/routes/plain-{u}")["authConfig"]
    assert auth["allowedConsumers"] == [other] and not auth["enabled"]
    rest = sorted(house.name(i) for i in (2, 3))
    assert api.allowed(f"hiclaw-q{u}") == rest
    assert api.get(f"/v1/mcpServer/m{u}")["consumerAuthInfo"][
        "allowedConsumers"] == rest
    for i in (0, 1):
        assert api.keys(house.name(i)) is None
    answers = house.shell.many("remove", works)
    assert house.shell.writes == 0
    assert [a["did"] for a in answers.values()] == [[], []]


# --- model providers and routes ---


def test_provider(house, api):
    key, form = house.provider()
    path = f"/v1/ai/providers/hiclaw-{house.q}"
    assert house.shell.ensure(key, form) == ["AI provider made"]
    v = api.get(path)
    assert v["type"] == "openai" and v["tokens"] == [house.llm_key]
    assert v["rawConfigs"]["openaiCustomUrl"] == form["url"]
    assert house.shell.ensure(key, form) == [] and house.shell.writes == 0
    # Somebody turns a knob of their own, and loses the key over it.
    v["rawConfigs"].update(someKnob=7)
    v["tokens"] = None
    v["rawConfigs"].pop("apiTokens")
    api.do("PUT", path, v)
    assert list(house.shell.observe()) == [key]
    assert house.shell.left(key, form) == \
        [["key", None, "another", "credential"]]
    house.shell.ensure(key, form)
    v = api.get(path)
    assert v["tokens"] == [house.llm_key]
    assert v["rawConfigs"]["someKnob"] == 7
    # Another service would win over our URL.
    v["rawConfigs"].update(openaiCustomServiceName="evil.dns",
                           openaiCustomServicePort=80)
    api.do("PUT", path, v)
    assert list(house.shell.observe()) == [key]
    house.shell.ensure(key, form)
    assert "openaiCustomServiceName" not in api.get(path)["rawConfigs"]
    assert house.shell.remove(key) == ["removed"]
    assert api.get(path) is None
    assert house.shell.remove(key, observed=form) == []


def test_provider_in_use_stays(house, api):
    house.everything(1)
    with pytest.raises(Failed, match="still leads to it") as e:
        house.shell.remove(f"provider:{house.q}")
    assert e.value.kind == "retry"
    house.shell.remove(f"route:{house.q}")
    house.shell.remove(f"provider:{house.q}")


@pytest.mark.parametrize("url, word", [
    ("http://ollama:11434/v1", "without a dot"),
    ("http://[::1]:8080/v1", "IPv6"), ("http://host.123/v1", "no host name"),
    ("ftp://x.org", "no http"), ("http://x.org:99999/", "no URL"),
    ("http://user@x.org/", "no URL")])
def test_addresses_that_the_gateway_cannot_reach(house, url, word):
    key, form = house.provider(url=url)
    with pytest.raises(Failed, match=word) as e:
        house.shell.ensure(key, form)
    assert e.value.kind == "user" and house.shell.writes == 0
    key, form = house.mcp([0], url=url)
    with pytest.raises(Failed, match=word):
        house.shell.ensure(key, form)
    assert house.shell.writes == 0


def test_route(house, api):
    house.consumers(3)
    house.shell.ensure(*house.provider())
    key, form = house.route([0, 1])
    ours = f"hiclaw-{house.q}"
    assert house.shell.ensure(key, form) == ["made"]
    assert house.shell.writes == 1
    assert api.allowed(ours) == form["allowed"]
    assert house.shell.ensure(key, form) == [] and house.shell.writes == 0
    # A person lets somebody in and changes what is not ours to say.
    v = api.get(f"/v1/ai/routes/{ours}")
    v["authConfig"]["allowedConsumers"].append("guest")
    v["proxyNextUpstream"]["attempts"] = 5
    v["customLabels"]["theirs"] = "1"
    api.do("PUT", f"/v1/ai/routes/{ours}", v)
    key, form = house.route([1, 2])
    assert house.shell.ensure(key, form) == ["changed"]
    assert api.allowed(ours) == sorted(["guest"] + form["allowed"])
    assert house.shell.observed[key]["foreign"] == ["guest"]
    v = api.get(f"/v1/ai/routes/{ours}")
    assert v["proxyNextUpstream"]["attempts"] == 5
    assert v["customLabels"]["theirs"] == "1"
    assert house.shell.remove(key) == ["removed"]
    assert api.get(f"/v1/ai/routes/{ours}") is None
    assert api.get(f"/v1/routes/ai-route-{ours}.internal") is None


def test_route_for_some_models(house, api):
    house.shell.ensure(*house.provider())
    models = ["gpt-*", "o1"]
    key, form = house.route([], models=models)
    house.shell.ensure(key, form)
    assert [(p["matchType"], p["matchValue"]) for p in api.get(
        f"/v1/ai/routes/hiclaw-{house.q}")["modelPredicates"]] == \
        [("PRE", "gpt-"), ("EQUAL", "o1")]
    assert house.shell.ensure(key, form) == []
    key, form = house.route([], models=["*"])
    house.shell.ensure(key, form)
    assert not api.get(f"/v1/ai/routes/hiclaw-{house.q}")["modelPredicates"]
    key, form = house.route([], models=["a*b"])
    with pytest.raises(Failed, match="only at the end"):
        house.shell.ensure(key, form)


def test_route_of_somebody_else(house, api):
    house.shell.ensure(*house.provider())
    theirs = {"name": f"hiclaw-{house.q}", "upstreams": [
        {"provider": f"hiclaw-{house.q}", "weight": 100}],
        "customLabels": {"hiclaw.io/instance": "hiclaw-another"},
        "authConfig": {"enabled": True, "allowedConsumers": ["x"]}}
    api.do("POST", "/v1/ai/routes", theirs)
    before = api.get("/v1/ai/routes/" + theirs["name"])
    key, form = house.route([0])
    with pytest.raises(Failed, match="not ours"):
        house.shell.ensure(key, form, observed=form)
    assert house.shell.remove(key, observed=form) == []
    assert api.get("/v1/ai/routes/" + theirs["name"]) == before


# --- MCP servers and exposed ports ---


def test_mcp_server(house, api):
    house.consumers(2)
    key, form = house.mcp([0])
    name = form["name"]
    assert house.shell.ensure(key, form) == ["service source made", "made"]
    v = api.get(f"/v1/mcpServer/{name}")
    assert v["type"] == "DIRECT_ROUTE" and v["consumerAuthInfo"]["enable"]
    assert v["consumerAuthInfo"]["allowedConsumers"] == form["allowed"]
    assert v["directRouteConfig"] == {"path": "/mcp",
                                      "transportType": "streamable"}
    assert house.shell.ensure(key, form) == [] and house.shell.writes == 0
    # The page of the Console adds one; ours are changed beside it.
    api.do("PUT", "/v1/mcpServer/consumers",
           {"mcpServerName": name, "consumers": ["guest"]})
    assert house.shell.observe()[key]["foreign"] == ["guest"]
    key, form = house.mcp([1], url="http://10.1.2.3:8000/sse",
                          transport="sse")
    assert house.shell.left(key, form) != []
    house.shell.ensure(key, form)
    v = api.get(f"/v1/mcpServer/{name}")
    assert v["consumerAuthInfo"]["allowedConsumers"] == \
        sorted(["guest"] + form["allowed"])
    assert v["directRouteConfig"]["transportType"] == "sse"
    s = api.get(f"/v1/service-sources/hiclaw-mcp-{name}")
    assert (s["type"], s["domain"]) == ("static", "10.1.2.3:8000")
    assert house.shell.observe() == {}
    house.shell.remove(key)
    assert api.get(f"/v1/mcpServer/{name}") is None
    assert api.get(f"/v1/service-sources/hiclaw-mcp-{name}") is None


def test_mcp_server_with_a_key_of_its_own(house, api):
    house.consumers(1)
    key, form = house.mcp([0])
    house.shell.ensure(key, form)
    key, form = house.mcp([0], keyed=True)
    assert house.shell.left(key, form) == \
        [["key", None, "another", "credential"]]
    assert house.shell.ensure(key, form) == ["removed", "made"]
    assert api.get(f"/v1/mcpServer/{form['name']}") is None
    v = api.get(f"/v1/routes/hiclaw-mcp-{form['name']}")
    assert v["path"]["matchValue"] == form["path"]
    assert v["rewrite"]["path"] == "/mcp"
    assert v["headerControl"]["request"]["set"] == [
        {"key": "Authorization", "value": "Bearer " + house.mcp_key}]
    assert v["authConfig"]["enabled"]
    assert v["authConfig"]["allowedConsumers"] == form["allowed"]
    assert house.shell.observe() == {}
    v["headerControl"]["request"]["set"][0]["value"] = "Bearer other"
    api.do("PUT", "/v1/routes/" + v["name"], v)
    assert list(house.shell.observe()) == [key]
    house.shell.ensure(key, form)
    assert house.shell.observe() == {}
    key, form = house.mcp([0], keyed=True, transport="sse",
                          url="https://mcp.example.org/sse")
    with pytest.raises(Failed, match="cannot put a key into SSE"):
        house.shell.ensure(key, form)
    key, form = house.mcp([0])
    assert house.shell.ensure(key, form) == ["removed", "made"]
    assert api.get(f"/v1/routes/hiclaw-mcp-{form['name']}") is None
    assert api.get(f"/v1/mcpServer/{form['name']}") is not None


def test_mcp_server_of_somebody_else(house, api):
    key, form = house.mcp([0])
    theirs = {"name": form["name"], "type": "DIRECT_ROUTE",
              "description": "theirs", "services": [
                  {"name": "x.dns", "port": 80, "weight": 100}],
              "directRouteConfig": {"path": "/x",
                                    "transportType": "streamable"},
              "consumerAuthInfo": {"type": "key-auth", "enable": True,
                                   "allowedConsumers": ["x"]}}
    api.do("PUT", "/v1/mcpServer", theirs)
    with pytest.raises(Failed, match="not ours"):
        house.shell.ensure(key, form)
    house.shell.remove(key)
    assert api.get("/v1/mcpServer/" + form["name"])["description"] == "theirs"


def test_exposed_port(house, api):
    house.consumers(2)
    key, form = house.expose([0, 1])
    name = f"hiclaw-expose-{form['agent']}-3000"
    assert house.shell.ensure(key, form) == [
        "domain made", "service source made", "made"]
    assert house.shell.observed[key]["url"] == "http://" + form["host"]
    v = api.get("/v1/routes/" + name)
    assert v["domains"] == [form["host"]]
    assert v["services"][0]["name"] == name + ".dns"
    assert v["authConfig"]["enabled"]
    assert sorted(v["authConfig"]["allowedConsumers"]) == form["allowed"]
    assert house.shell.ensure(key, form) == [] and house.shell.writes == 0
    key, form = house.expose([0, 1], open=True)
    house.shell.ensure(key, form)
    assert not api.get("/v1/routes/" + name)["authConfig"]["enabled"]
    key, form = house.expose([1])
    house.shell.ensure(key, form)
    auth = api.get("/v1/routes/" + name)["authConfig"]
    assert auth["enabled"] and auth["allowedConsumers"] == form["allowed"]
    # Somebody opens it.
    v = api.get("/v1/routes/" + name)
    v["authConfig"]["enabled"] = False
    api.do("PUT", "/v1/routes/" + name, v)
    assert list(house.shell.observe()) == [key]
    assert house.shell.left(key, form)[0][0] == "open"
    house.shell.ensure(key, form)
    assert house.shell.remove(key) == [
        "removed", "service source removed", "domain removed"]
    assert api.get("/v1/routes/" + name) is None
    assert api.get("/v1/service-sources/" + name) is None
    assert api.get("/v1/domains/" + form["host"]) is None


# --- looking ---


def test_look_costs_the_same_for_many(house):
    house.everything(2)
    assert house.shell.observe() == {}
    few = house.shell.calls
    house.consumers(40)
    assert house.shell.observe() == {}
    assert (house.shell.calls, house.shell.writes) == (few, 0)
    assert few == 5


def test_look_finds_what_people_do(house, api):
    house.everything(3)
    ours, names = f"hiclaw-{house.q}", [house.name(i) for i in range(3)]
    route = "route:" + house.q
    # 1. a name is taken out of the list, another put in
    v = api.get(f"/v1/ai/routes/{ours}")
    v["authConfig"]["allowedConsumers"] = names[1:] + ["guest"]
    api.do("PUT", f"/v1/ai/routes/{ours}", v)
    assert house.shell.observe()[route]["allowed"] == names[1:]
    assert house.shell.left(route, house.route(range(3))[1]) == \
        [["consumer " + names[0], None, "allowed", "update"]]
    house.shell.ensure(*house.route(range(3)))
    assert api.allowed(ours) == sorted(names + ["guest"])
    # 2. it lets everybody in
    v = api.get(f"/v1/ai/routes/{ours}")
    v["authConfig"]["enabled"] = False
    api.do("PUT", f"/v1/ai/routes/{ours}", v)
    assert "open to all" in house.shell.observe()[route]["path"]
    house.shell.ensure(*house.route(range(3)))
    assert api.allowed(ours) == sorted(names + ["guest"])
    # 3. a key is replaced, another consumer deleted with its lists
    api.do("PUT", "/v1/consumers/" + names[0], {
        "name": names[0], "credentials": [
            {"type": "key-auth", "source": "BEARER",
             "values": ["other" + api.uid]}]})
    v = api.get(f"/v1/ai/routes/{ours}")
    v["authConfig"]["allowedConsumers"].remove(names[1])
    api.do("PUT", f"/v1/ai/routes/{ours}", v)
    for t in (f"/v1/routes/{house.expose([])[0].replace(':', '-')}",):
        v = api.get(t.replace("/expose", "/hiclaw-expose"))
        v["authConfig"]["allowedConsumers"].remove(names[1])
        api.do("PUT", "/v1/routes/" + v["name"], v)
    api.do("DELETE", "/v1/mcpServer/consumers",
           {"mcpServerName": "m" + api.uid, "consumers": [names[1]]})
    api.do("DELETE", "/v1/consumers/" + names[1])
    seen = house.shell.observe()
    assert "key_id" not in seen[f"consumer:{names[0]}"]
    assert seen[f"consumer:{names[1]}"] is None
    assert len(seen) == 5
    house.everything(3)
    assert house.shell.observe() == {}
    assert api.keys(names[0]) == [house.keys[names[0], 1]]
    # 4. where things lead
    s = api.get(f"/v1/service-sources/hiclaw-mcp-m{api.uid}")
    s["domain"] = "evil.example.org"
    api.do("PUT", "/v1/service-sources/" + s["name"], s)
    api.do("DELETE", f"/v1/ai/routes/{ours}")
    seen = house.shell.observe()
    assert seen[route] is None
    assert seen["mcp:m" + api.uid]["url"] is None
    assert len(seen) == 2
    house.everything(3)
    assert house.shell.observe() == {}


def test_status(house, api):
    house.everything(2)
    v = house.shell.query(op="status")
    assert v["provider"] == "higress" and v["answers"] is True
    assert v["latency_ms"] >= 0 and v["version"] and v["consumers"] >= 2
    assert [r for r in v["routes"] if r["name"] == "hiclaw-" + house.q] == [
        {"name": "hiclaw-" + house.q, "path": f"/{house.q}/v1", "allowed": 2,
         "auth": True}]
    with pytest.raises(Failed, match="status only"):
        house.shell.query(op="everything")


# --- sessions ---


def open_house(fake, **settings):
    return House(Api(fake.url, settings.pop("user", fake.user),
                     settings.pop("password", fake.password), fake),
                 **settings)


def test_first_start_of_a_console():
    fake = FakeHigress(initialised=False).start()
    h = open_house(fake, user="boss", password="a new password")
    h.consumers(1)
    assert (fake.user, fake.password) == ("boss", "a new password")
    h.consumers(1)
    assert [c for c in fake.calls if "init" in c] == ["POST /system/init"]
    h.close()
    fake.stop()


def test_password_of_somebody_else(fake):
    h = open_house(fake, password="wrong password")
    answers = h.consumers(1)
    err = next(iter(answers.values()))["err"]
    assert err["kind"] == "denied" and "console_user" in err["msg"]
    assert "POST /system/init" not in fake.calls
    assert not fake.consumers
    h.close()


def test_password_with_a_colon():
    fake = FakeHigress(password="a:b:c").start()
    h = open_house(fake)
    h.consumers(3)
    assert fake.logins == 1 and len(fake.consumers) == 3
    h.close()
    fake.stop()


@pytest.mark.parametrize("password", ["plain password", "with:colon"])
def test_expired_session(password):
    fake = FakeHigress(password=password).start()
    h = open_house(fake)
    h.consumers(1)
    fake.fail("POST /v1/consumers", "expired", times=1)
    assert {a["rc"] for a in h.consumers(2).values()} == {0}
    assert len(fake.consumers) == 2
    h.close()
    fake.stop()


# --- faults of consumers ---


@pytest.mark.parametrize("how", ["empty", "lost", "late", "cut"])
def test_write_that_went_wrong_once(bad, faulty, how):
    faulty.fake.fail("POST /v1/consumers", how, times=1)
    answers = bad.consumers(3)
    if how == "cut":
        # No answer at all: the rest waits for the next try.
        assert {a["rc"] for a in answers.values()} == {-1}
        answers = bad.consumers(3)
    assert {a["rc"] for a in answers.values()} == {0}
    for i in range(3):
        assert faulty.keys(bad.name(i)) == [bad.keys[bad.name(i), 1]]


def test_write_that_never_stays(bad, faulty):
    faulty.fake.fail("POST /v1/consumers", "lost", times=-1)
    answers = bad.consumers(2)
    for a in answers.values():
        assert a["err"]["kind"] == "retry" and a["observed"] is None
        assert "not there" in a["err"]["msg"]
    faulty.fake.heal()
    assert {a["rc"] for a in bad.consumers(2).values()} == {0}


def test_consumer_lost_to_another_writer(bad, faulty):
    """A later write of somebody takes one of ours along."""
    lost = bad.name(0)
    faulty.fake.before("GET /v1/consumers", lambda: None)   # the first list
    faulty.fake.before("GET /v1/consumers",
                       lambda: faulty.fake.consumers.pop(lost))
    assert {a["rc"] for a in bad.consumers(3).values()} == {0}
    assert faulty.keys(lost) == [bad.keys[lost, 1]]
    assert faulty.fake.writes().count("POST /v1/consumers") == 4


def test_one_bad_consumer_of_a_batch(bad, faulty):
    works = dict(bad.consumer(i) for i in range(3))
    works["consumer:a/b"] = ({"name": "a/b", "serial": 1, "overlap": False},
                             {"key": "k" * 64})
    answers = bad.shell.many("ensure", works)
    assert [a["rc"] for a in answers.values()] == [0, 0, 0, -1]


def test_still_in_use(bad, faulty):
    bad.everything(2)
    name = bad.name(0)

    def put_back():
        faulty.fake.lists["ai-route-x.internal"] = {"on": True,
                                                    "names": [name]}
    faulty.fake.before("DELETE /v1/consumers", put_back)
    answers = bad.shell.many("remove", {f"consumer:{name}": None})
    err = answers[f"consumer:{name}"]["err"]
    assert err["kind"] == "retry" and "still in use" in err["msg"]
    faulty.fake.lists.pop("ai-route-x.internal")
    assert bad.shell.remove(f"consumer:{name}") == ["removed"]


def test_no_console(bad, faulty):
    faulty.fake.fail("", "refused", times=-1)
    a = next(iter(bad.consumers(1).values()))
    assert a["err"]["kind"] == "retry"
    assert "ApiException" in a["err"]["msg"]
    faulty.fake.heal()
    faulty.fake.fail("GET /v1/consumers", "html", times=1)
    a = next(iter(bad.consumers(1).values()))
    assert a["err"]["kind"] == "broken"
    faulty.fake.stop()
    a = next(iter(bad.consumers(1).values()))
    assert a["err"]["kind"] == "retry"
    with pytest.raises(Failed):
        bad.shell.observe({"consumer:x": {"name": "x"}})
    v = bad.shell.query(op="status")
    assert v["answers"] is False and v["error"]
    faulty.fake.start()


def test_slow_console(bad, faulty):
    faulty.fake.fail("POST /v1/consumers", "slow", times=1, seconds=3)
    assert {a["rc"] for a in bad.consumers(2).values()} == {0}


# --- faults of lists ---


def nothing_open(fake):
    """No route of ours that asks for no key; the point of all this."""
    return [n for n, i in fake.ingresses.items()
            if not fake.lists.get(n, {"on": False})["on"]] == []


KINDS = ["route", "mcp", "keyed", "expose"]
WRITE = {"route": "POST /v1/ai/routes", "mcp": "PUT /v1/mcpServer",
         "keyed": "POST /v1/routes", "expose": "POST /v1/routes"}


def form_of(bad, kind, allowed):
    if kind == "route":
        return bad.route(allowed)
    if kind == "expose":
        return bad.expose(allowed)
    return bad.mcp(allowed, keyed=kind == "keyed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["busy", "open", "late", "lost", "empty"])
def test_new_one_is_never_left_open(bad, faulty, kind, how):
    bad.consumers(2)
    bad.shell.ensure(*bad.provider())
    key, form = form_of(bad, kind, [0, 1])
    faulty.fake.fail(WRITE[kind], how, times=1)
    assert "made" in bad.shell.ensure(key, form)
    assert nothing_open(faulty.fake)
    assert bad.shell.observe() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_open_is_deleted(bad, faulty, kind):
    bad.consumers(1)
    bad.shell.ensure(*bad.provider())
    key, form = form_of(bad, kind, [0])
    for call in ("POST /v1/ai/routes", "PUT /v1/ai/routes", "POST /v1/routes",
                 "PUT /v1/routes", "PUT /v1/mcpServer"):
        faulty.fake.fail(call, "open", times=-1)
    with pytest.raises(Failed, match="deleted") as e:
        bad.shell.ensure(key, form)
    assert e.value.kind == "retry"
    assert faulty.fake.ingresses == {}
    faulty.fake.heal()
    assert "made" in bad.shell.ensure(key, form)
    assert nothing_open(faulty.fake)


def test_no_answer_to_a_new_route(bad, faulty):
    """It is open and we know nothing: the next try mends it."""
    bad.consumers(1)
    bad.shell.ensure(*bad.provider())
    key, form = bad.route([0])
    faulty.fake.fail("POST /v1/ai/routes", "open", times=1)
    faulty.fake.fail("GET /v1/routes/", "refused", times=-1)
    with pytest.raises(Failed):
        bad.shell.ensure(key, form)
    faulty.fake.heal()
    bad.shell.ensure(key, form, may_exist=True)
    assert nothing_open(faulty.fake)
    assert faulty.allowed("hiclaw-" + bad.q) == form["allowed"]


@pytest.mark.parametrize("how", ["stale", "late", "cut", "open"])
@pytest.mark.parametrize("kind", KINDS)
def test_list_agrees_everywhere_in_the_end(bad, faulty, kind, how):
    bad.consumers(3)
    bad.shell.ensure(*bad.provider())
    key, form = form_of(bad, kind, [0, 1])
    bad.shell.ensure(key, form)
    call = {"route": "PUT /v1/ai/routes", "mcp": "PUT /v1/mcpServer"}.get(
        kind, "PUT /v1/routes")
    faulty.fake.fail(call, how, times=1)
    key, form = form_of(bad, kind, [1, 2])
    bad.shell.ensure(key, form)
    assert bad.shell.observe() == {}
    if kind == "route":
        assert faulty.allowed("hiclaw-" + bad.q) == form["allowed"]


def test_somebody_edits_at_the_same_moment(bad, faulty):
    """Between our look and our write: nobody's name is lost."""
    bad.consumers(2)
    bad.shell.ensure(*bad.provider())
    bad.shell.ensure(*bad.route([0]))
    ours = "hiclaw-" + bad.q

    def edit():
        v = faulty.get("/v1/ai/routes/" + ours)
        v["authConfig"]["allowedConsumers"].append("guest")
        faulty.do("PUT", "/v1/ai/routes/" + ours, v)
    faulty.fake.before("PUT /v1/ai/routes", edit)
    key, form = bad.route([0, 1])
    bad.shell.ensure(key, form)
    assert faulty.allowed(ours) == sorted(["guest"] + form["allowed"])
    assert bad.shell.observed[key]["foreign"] == ["guest"]


def test_fallback_has_a_list_of_its_own(bad, faulty):
    bad.consumers(2)
    bad.shell.ensure(*bad.provider())
    bad.shell.ensure(*bad.route([0]))
    ours = "hiclaw-" + bad.q
    v = faulty.get("/v1/ai/routes/" + ours)
    v["fallbackConfig"] = {"enabled": True, "fallbackStrategy": "SEQ",
                           "responseCodes": ["5xx"], "upstreams": [
                               {"provider": ours, "weight": 100}]}
    faulty.do("PUT", "/v1/ai/routes/" + ours, v)
    second = f"ai-route-{ours}.fallback.internal"
    faulty.fake.lists[second]["on"] = False
    assert list(bad.shell.observe()) == ["route:" + bad.q]
    bad.shell.ensure(*bad.route([0]))
    assert faulty.fake.lists[second] == {"on": True, "names": [bad.name(0)]}
    assert faulty.get("/v1/ai/routes/" + ours)["fallbackConfig"]["enabled"]


def test_half_deleted_route(bad, faulty):
    bad.consumers(1)
    bad.shell.ensure(*bad.provider())
    bad.shell.ensure(*bad.route([0]))
    faulty.fake.fail("DELETE /v1/ai/routes", "busy", times=1)
    assert bad.shell.remove("route:" + bad.q) == ["removed"]
    assert not faulty.fake.ai_routes and not faulty.fake.lists


# --- does the gateway do it? ---


@pytest.fixture
def gateway(fake):
    g = FakeGateway(fake, lag=1.0, active=2.0).start()
    yield g
    g.stop()


def test_waits_for_the_gateway(fake, gateway):
    """First it lets everybody in, and it is always a second late."""
    h = open_house(fake, gateway_url=gateway.url)
    h.consumers(2)
    h.shell.ensure(*h.provider())
    h.shell.ensure(*h.route([0, 1]))
    assert time.monotonic() >= gateway.active_at

    def status(key):
        return gateway.judge("x", f"/{h.q}/v1/x", "Bearer " + key)[0]
    assert status(h.keys[h.name(1), 1]) == 404
    assert status("made up") == 401
    # A list changed is a list in force.
    h.shell.ensure(*h.route([0]))
    h.shell.ensure(*h.mcp([0]))
    h.shell.ensure(*h.expose([0]))
    # A new key works when ensure is back, and a deleted one does not.
    key, (form, s) = h.consumer(0, 2, True)
    h.shell.ensure(key, form, secrets=s)
    assert status(h.keys[h.name(0), 2]) == 404
    assert status(h.keys[h.name(0), 1]) == 404
    h.shell.remove(key)
    assert status(h.keys[h.name(0), 2]) == 401
    # Never anything that could be a model.
    assert gateway.requests
    assert all(p.endswith("/hiclaw-probe") for p in gateway.requests)
    h.close()


def test_gateway_that_never_asks_for_a_key(fake):
    g = FakeGateway(fake, lag=0, active=0).start()
    h = open_house(fake, gateway_url=g.url)
    h.consumers(1)
    h.shell.ensure(*h.provider())
    h.shell.ensure(*h.route([0]))       # it was at work once: 15 s from now
    g.active_at = time.monotonic() + 3600
    began = time.monotonic()
    with pytest.raises(Failed, match="does not refuse a made-up key") as e:
        h.shell.ensure(*h.route([]))
    assert e.value.kind == "retry" and time.monotonic() - began < 20
    g.stop()
    # Nobody there: nothing to ask, and nothing to hold up.
    began = time.monotonic()
    h.shell.ensure(*h.route([0]))
    assert time.monotonic() - began < 5
    h.close()
