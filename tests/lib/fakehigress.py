#!/usr/bin/env python3
"""A Higress Console in one file, and the gateway behind it, for what a real one
shows only under contention: it saves in steps that are no transaction, and says
so in none of its answers.

What it keeps is what the real one keeps (checked against that one by the same
tests: HICLAW_TEST_CONSOLE): all consumers and all allow lists are one object, a
route is an ingress plus its list plus, for AI routes, a stored copy with a
version that is compared last.

    fake = FakeHigress().start()
    fake.fail("POST /v1/ai/routes", "busy", times=1)
    fake.stop()

What a fault does is in FAULTS.
"""
import base64
import copy
import json
import re
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = {
    "refused": "500, the API server does not answer; no effect",
    "late": "the effect, then 500",
    "cut": "the effect, then no answer",
    "empty": "201 or 200 with an empty body; no effect",
    "lost": "a good answer; no effect",
    "busy": "the object of all lists is busy: 409, the route saved, its list not",
    "open": "a good answer, the route saved, its list not",
    "stale": "409 after the gateway's list was overwritten",
    "expired": "401",
    "slow": "takes `seconds` longer",
    "html": "200 with a page",
}


class Reply(Exception):
    def __init__(self, status, body=b"", kind="application/json"):
        super().__init__(status)
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else \
            json.dumps(body).encode()


def error(status, message):
    return Reply(status, {"success": False, "message": message, "data": None})


def framework(status):
    return Reply(status, {"timestamp": "x", "status": status, "error": "x",
                          "path": "x"})


CONFLICT = "com.alibaba.higress.sdk.exception.ResourceConflictException: null"
CONNECT = "io.kubernetes.client.openapi.ApiException: " \
    "java.net.ConnectException: Failed to connect"
LSTAT = "io.kubernetes.client.openapi.ApiException: lstat x.yaml.tmp: " \
    "no such file or directory"
INVALID = "com.alibaba.higress.sdk.exception.ValidationException: "
BUSINESS = "com.alibaba.higress.sdk.exception.BusinessException: "
WRONG_NAME = "javax.validation.ValidationException: the name in the URL " \
    "doesn't match the one in the body"
DOMAIN = re.compile(r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}$")
SOURCE = re.compile(r"^(?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9]$")
INGRESS = ("domains", "path", "services", "rewrite", "headerControl",
           "customConfigs", "customLabels", "proxyNextUpstream", "headers")


class Fault:
    def __init__(self, match, how, times=1, **more):
        assert how in FAULTS
        self.match, self.how, self.times, self.more = match, how, times, more


class Server(ThreadingHTTPServer):
    """Each request to one function, in a thread of its connection."""
    daemon_threads = True

    def __init__(self, handle):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def do(self):
                handle(self)
            do_GET = do_POST = do_PUT = do_DELETE = do
        super().__init__(("127.0.0.1", 0), Handler)
        self.open = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def process_request(self, request, address):
        self.open.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, address):
        """A peer that went away is no news."""

    def stop(self):
        self.shutdown()
        self.server_close()
        for request in list(self.open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class FakeHigress:
    def __init__(self, user="admin", password="fake-password",
                 initialised=True):
        self.user, self.password = user, password
        self.initialised = initialised
        self.sessions, self.logins = set(), 0
        self.lock = threading.RLock()
        self.consumers, self.lists = {}, {}
        self.ingresses, self.versions = {}, {}
        self.ai_routes, self.providers = {}, {}
        self.sources, self.domains = {}, {}
        self.calls, self.faults, self.hooks = [], [], []
        self.writing, self.overlaps, self.changed = 0, 0, time.monotonic()

    # --- life ---

    def start(self):
        self.server = Server(self.handle)
        self.url = self.server.url
        return self

    def stop(self):
        self.server.stop()

    def fail(self, match, how, times=1, **more):
        """match: the beginning of "METHOD /path"; times -1: for ever."""
        self.faults.append(Fault(match, how, times, **more))

    def before(self, match, what):
        """Somebody else does something before the next call like this."""
        self.hooks.append((match, what))

    def heal(self):
        self.faults.clear()
        self.hooks.clear()

    def writes(self):
        return [c for c in self.calls if not c.startswith("GET")]

    # --- one call ---

    def handle(self, http):
        body = http.rfile.read(int(http.headers.get("Content-Length") or 0))
        path = urllib.parse.urlsplit(http.path).path
        call = f"{http.command} {path}"
        write = http.command != "GET" and path.startswith("/v1/")
        with self.lock:
            self.calls.append(call)
            fault = self.take_fault(call)
            hook = self.take_hook(call)
        if hook:
            hook()
        with self.lock:
            self.overlaps += write and self.writing > 0
            self.writing += write
        try:
            with self.lock:
                reply = self.answer(http, path, body, fault)
        finally:
            with self.lock:
                self.writing -= write
        if fault and fault.how == "slow":
            time.sleep(fault.more.get("seconds", 1))
        if reply is None:               # cut, in a way that no client retries
            http.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            http.wfile.flush()
            http.close_connection = True
            return
        http.send_response(reply.status)
        http.send_header("Content-Type", reply.kind)
        http.send_header("Content-Length", str(len(reply.body)))
        for h in getattr(reply, "headers", []):
            http.send_header(*h)
        http.end_headers()
        http.wfile.write(reply.body)

    def take_fault(self, call):
        for f in self.faults:
            if f.times != 0 and call.startswith(f.match):
                f.times -= 1
                return f
        return None

    def take_hook(self, call):
        for h in self.hooks:
            if call.startswith(h[0]):
                self.hooks.remove(h)
                return h[1]
        return None

    def answer(self, http, path, body, fault):
        how = fault.how if fault else None
        method = http.command
        try:
            if how == "html":
                return Reply(200, b"<html></html>", "text/html")
            if "%2F" in path.upper():
                return Reply(400, b"<html></html>", "text/html")
            if body and http.headers.get("Content-Type") != \
                    "application/json":
                return framework(415)
            try:
                data = json.loads(body) if body else None
            except ValueError:
                return framework(400)
            parts = [urllib.parse.unquote(p) for p in path.split("/")[1:]]
            if parts[0] in ("session", "system"):
                return self.system(http, method, parts, data)
            if how == "expired":
                self.sessions.clear()
            if how == "expired" or not self.allowed(http):
                return error(401, "Login required.")
            if how == "refused":
                return error(500, CONNECT)
            if how in ("lost", "empty"):
                ok = {"POST": 201, "PUT": 200, "DELETE": 204}[method]
                return Reply(ok, b"" if how == "empty" or ok == 204
                             else data)
            try:
                reply = self.route(method, parts[1:], data, how)
            except Reply as r:
                reply = r
            if method != "GET":
                self.changed = time.monotonic()
            if how == "late":
                return error(500, LSTAT)
            return None if how == "cut" else reply
        except Reply as r:
            return r
        except (KeyError, TypeError, AttributeError):
            return error(500, "java.lang.NullPointerException: null")

    def allowed(self, http):
        cookie = http.headers.get("Cookie", "")
        for c in cookie.split(";"):
            name, _, value = c.strip().partition("=")
            if name == "_hi_sess" and value in self.sessions:
                return True
        auth = http.headers.get("Authorization", "")
        if not auth.startswith("Basic "):
            return False
        text = base64.b64decode(auth[6:]).decode().split(":")
        return text == [self.user, self.password] and self.initialised

    def system(self, http, method, parts, data):
        what = "/".join(parts)
        if what == "system/config":
            return Reply(200, {"success": True, "message": None, "data": {
                "mode": "fake", "system.initialized": self.initialised}})
        if what == "system/info":
            return Reply(200, {"version": "fake", "capabilities": []})
        if what == "system/init":
            if self.initialised:
                return error(500, "java.lang.IllegalStateException: System "
                             "already initialized.")
            admin = data["adminUser"]
            if not all(admin.get(k) for k in ("name", "displayName",
                                              "password")):
                return error(400, INVALID + "incomplete")
            self.user, self.password = admin["name"], admin["password"]
            self.initialised = True
            return Reply(200, {"success": True, "message": None,
                               "data": None})
        if what == "session/login":
            if not self.initialised:
                return error(500, "java.lang.IllegalStateException: null")
            if (data["username"], data["password"]) != \
                    (self.user, self.password):
                return error(401, "Incorrect username or password.")
            self.logins += 1
            token = base64.b64encode(b"s+/%d" % self.logins).decode() + "=="
            self.sessions.add(token)
            reply = Reply(201, {"name": self.user, "password": None})
            reply.headers = [("Set-Cookie",
                              f"_hi_sess={token}; Path=/; HttpOnly")]
            return reply
        return framework(404)

    def route(self, method, parts, data, how):
        kinds = [(["consumers"], self.do_consumers),
                 (["ai", "providers"], self.do_providers),
                 (["ai", "routes"], self.do_ai_routes),
                 (["routes"], self.do_routes),
                 (["service-sources"], self.do_sources),
                 (["domains"], self.do_domains),
                 (["mcpServer"], self.do_mcps)]
        for prefix, do in kinds:
            if parts[:len(prefix)] == prefix:
                name = parts[len(prefix):]
                if len(name) > 1 and prefix != ["domains"]:
                    return framework(404)
                reply = do(method, name, data, how)
                return reply if reply is not None else framework(405)
        return Reply(404, b"<html></html>", "text/html")

    @staticmethod
    def one(v):
        if v is None:
            return Reply(404)
        return Reply(200, {"success": True, "message": None, "data": v})

    @staticmethod
    def many(v):
        v = list(v)
        return Reply(200, {"success": True, "message": None, "data": v,
                           "total": len(v), "pageNum": None,
                           "pageSize": None})

    def bump(self, key):
        self.versions[key] = self.versions.get(key, 0) + 1
        return str(self.versions[key])

    # --- consumers ---

    def do_consumers(self, method, name, data, how):
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(self.consumers[k]
                                 for k in sorted(self.consumers))
            return self.one(self.consumers.get(name))
        if method == "DELETE":
            if any(name in v["names"] for v in self.lists.values()):
                return error(500, BUSINESS +
                             f"Consumer {name} is still in use")
            self.consumers.pop(name, None)
            return Reply(204)
        if method == "PUT" and data.get("name") not in (None, "", name):
            return error(500, WRONG_NAME)
        return self.put_consumer(name or data.get("name"), data,
                                 201 if method == "POST" else 200)

    def put_consumer(self, name, data, status):
        if not name or not data.get("credentials"):
            return error(400, INVALID + "credentials")
        cred = data["credentials"][0]
        if cred["type"] != "key-auth":
            return Reply(status)
        if cred["source"] not in ("BEARER", "HEADER", "QUERY"):
            return error(400, INVALID + "source")
        values = cred.get("values")
        old = self.consumers.get(name)
        if not values:
            if status == 201 or not old:
                return error(400, INVALID + "values")
            values = old["credentials"][0]["values"]
        for c in self.consumers.values():
            have = c["credentials"][0]
            if c["name"] != name and have["source"] == cred["source"] and \
                    have.get("key") == cred.get("key") and \
                    set(have["values"]) & set(values):
                return error(500, BUSINESS + "Key auth credential already in "
                             "use by consumer: " + c["name"])
        self.consumers[name] = {"name": name, "credentials": [
            {"type": "key-auth", "source": cred["source"],
             "key": cred.get("key"), "values": list(values)}]}
        return Reply(status, data)

    # --- allow lists ---

    def put_list(self, target, auth, enable="enabled"):
        if auth is None:
            self.lists.pop(target, None)
            return
        names = sorted(set(auth.get("allowedConsumers") or []))
        self.lists[target] = {"on": bool(auth.get(enable)), "names": names}

    def auth(self, target):
        v = self.lists.get(target)
        if v is None:
            return None
        return {"enabled": v["on"], "allowedCredentialTypes": ["key-auth"],
                "allowedConsumers": list(v["names"])}

    def put_ingress(self, name, route):
        self.ingresses[name] = {
            "name": name, "version": self.bump("ingress " + name),
            **{k: copy.deepcopy(route.get(k)) for k in INGRESS}}
        self.ingresses[name]["domains"] = route.get("domains") or []

    def live(self, name):
        i = self.ingresses.get(name)
        if i is None:
            return None
        return {**copy.deepcopy(i), "methods": None, "readonly": False,
                "authConfig": self.auth(name)}

    # --- model providers and AI routes ---

    def do_providers(self, method, name, data, how):
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(self.providers[k]
                                 for k in sorted(self.providers))
            return self.one(self.providers.get(name))
        if method == "DELETE":
            self.providers.pop(name, None)
            return Reply(204)
        if method == "PUT" and not data.get("name"):
            return error(500, WRONG_NAME)
        name = name or data.get("name")
        if not name or "/" in name or not data.get("type"):
            return error(500, "java.lang.IllegalArgumentException: x")
        raw = {k: v for k, v in (data.get("rawConfigs") or {}).items()
               if k != "apiTokens"}
        tokens = data.get("tokens") or None
        url = raw.get("openaiCustomUrl")
        if url and not re.match("https?://", url):
            return error(400, INVALID + "Custom service URL")
        raw.update(id=name, type=data["type"], protocol="openai")
        if tokens:
            raw["apiTokens"] = tokens
        self.providers[name] = {
            "name": name, "type": data["type"],
            "protocol": data.get("protocol") or "openai/v1",
            "proxyName": data.get("proxyName"), "tokens": tokens,
            "tokenFailoverConfig": data.get("tokenFailoverConfig"),
            "rawConfigs": raw}
        # Routes that use it are written again from what is stored of them.
        for r in self.ai_routes.values():
            if any(u["provider"] == name for u in r["upstreams"]):
                self.save_ai_steps(r, None)
                r["version"] = self.bump("ai " + r["name"])
        return Reply(201 if method == "POST" else 200, data)

    def do_ai_routes(self, method, name, data, how):
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(self.ai_routes[k]
                                 for k in sorted(self.ai_routes))
            return self.one(self.ai_routes.get(name))
        if method == "DELETE":
            for i in (f"ai-route-{name}.internal",
                      f"ai-route-{name}.fallback.internal"):
                self.ingresses.pop(i, None)
                if how == "busy":
                    return error(500, CONFLICT)
                self.lists.pop(i, None)
            self.ai_routes.pop(name, None)
            return Reply(204)
        if method == "PUT" and not data.get("name"):
            return error(500, WRONG_NAME)
        r = self.checked_ai_route({**data, "name": name or data.get("name")})
        have = self.ai_routes.get(r["name"])
        if method == "PUT" and have is None:
            self.save_ai_steps(r, None)
            return error(500, BUSINESS + "replacing the ConfigMap")
        self.save_ai_steps(r, how)
        if how == "stale" or (method == "POST" and have) or \
                (have and r.get("version") not in (None, have["version"])):
            return error(409, CONFLICT)
        r["version"] = self.bump("ai " + r["name"])
        self.ai_routes[r["name"]] = r
        return Reply(201 if method == "POST" else 200, r)

    def checked_ai_route(self, data):
        r = copy.deepcopy(data)
        if not r.get("name") or not r.get("upstreams"):
            raise error(400, INVALID + "name, upstreams")
        r.setdefault("pathPredicate", None)
        r["pathPredicate"] = r["pathPredicate"] or {
            "matchType": "PRE", "matchValue": "/", "caseSensitive": True}
        if r["pathPredicate"]["matchType"] != "PRE":
            raise error(400, INVALID + "PRE")
        for p in r.get("modelPredicates") or []:
            if p["matchType"] == "REGULAR":
                raise error(400, INVALID + "REGULAR")
        for u in r["upstreams"]:
            u.setdefault("modelMapping", None)
        if sum(u["weight"] for u in r["upstreams"]) != 100:
            raise error(400, INVALID + "The sum of upstream weights")
        for u in r["upstreams"]:
            if u["provider"] not in self.providers:
                raise error(400, INVALID + "Unknown provider")
        for k in ("domains", "headerPredicates", "urlParamPredicates",
                  "modelPredicates", "authConfig", "fallbackConfig", "cors",
                  "headerControl", "customConfigs", "customLabels"):
            r.setdefault(k, None)
        r["proxyNextUpstream"] = r.get("proxyNextUpstream") or {
            "enabled": True, "attempts": 3, "timeout": 120,
            "conditions": ["error", "timeout", "non_idempotent"]}
        return r

    def save_ai_steps(self, r, how):
        """All steps but the last, in their order."""
        name = f"ai-route-{r['name']}.internal"
        ingress = {**r, "path": r["pathPredicate"],
                   "services": [{"name": "llm-x.internal.dns", "port": 443}],
                   "customConfigs": r.get("customConfigs") or {}}
        self.put_ingress(name, ingress)
        if how == "busy":
            raise error(409, CONFLICT)
        if how != "open":
            self.put_list(name, r.get("authConfig"))
        fallback = r.get("fallbackConfig") or {}
        second = f"ai-route-{r['name']}.fallback.internal"
        if fallback.get("enabled"):
            self.put_ingress(second, ingress)
            self.put_list(second, r.get("authConfig"))
        else:
            self.ingresses.pop(second, None)
            self.lists.pop(second, None)

    # --- routes, sources, domains ---

    def do_routes(self, method, name, data, how):
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(self.live(k) for k in sorted(self.ingresses))
            return self.one(self.live(name))
        if method == "DELETE":
            if name.endswith(".internal"):
                return error(400, INVALID + "internal")
            self.ingresses.pop(name, None)
            if how == "busy":
                return error(500, CONFLICT)
            self.lists.pop(name, None)
            return Reply(204)
        if method == "PUT" and data.get("name") not in (None, name):
            return error(400, INVALID + "name")
        name = name or data["name"]
        if name.endswith(".internal") or not data.get("services"):
            return error(400, INVALID + "name, services")
        have = self.ingresses.get(name)
        if method == "POST" and have:
            return error(409, CONFLICT)
        if method == "PUT" and not have:
            return error(500, BUSINESS + "missing")
        if have and (how == "stale" or data.get("version") not in
                     (None, have["version"])):
            return error(409, CONFLICT)
        self.put_ingress(name, data)
        if how == "busy":
            return error(409, CONFLICT)
        if how != "open":
            self.put_list(name, data.get("authConfig"))
        return Reply(201 if method == "POST" else 200,
                     {**data, "authConfig": None})

    def do_sources(self, method, name, data, how):
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(self.sources.values())
            return self.one(self.sources.get(name))
        if method == "DELETE":
            self.sources.pop(name, None)
            return Reply(204)
        name = name or data["name"]
        if method == "POST" and name in self.sources:
            return error(409, CONFLICT)
        kind, domain = data["type"], data["domain"]
        good = SOURCE.match(name) and not name.endswith(".internal") and \
            isinstance(data.get("port"), int) and (
                (kind == "dns" and DOMAIN.match(domain)) or
                (kind == "static" and
                 re.fullmatch(r"[0-9]+(\.[0-9]+){3}:[0-9]+", domain)))
        if not good:
            return error(400, INVALID + "serviceSource body is not valid.")
        self.sources[name] = {
            "name": name, "vport": None, "version": self.bump("sources"),
            "type": kind, "domain": domain, "port": data["port"],
            "protocol": data.get("protocol"), "sni": data.get("sni"),
            "proxyName": None, "properties": {},
            "authN": {"enabled": False, "properties": None}}
        return Reply(201 if method == "POST" else 200,
                     {**self.sources[name], "version": None})

    def do_domains(self, method, parts, data, how):
        name = parts[0] if parts else None
        routes = [k for k, v in self.ingresses.items()
                  if name in v["domains"]]
        if method == "GET":
            if len(parts) == 2:
                return self.many(self.live(k) for k in routes)
            if name is None:
                return self.many(self.domains.values())
            return self.one(self.domains.get(name))
        if method == "DELETE":
            if routes:
                return error(500, BUSINESS + "The domain has routes. Please "
                             "delete them first.")
            self.domains.pop(name, None)
            return Reply(204)
        name = name or data["name"]
        if method == "POST" and name in self.domains:
            return error(409, CONFLICT)
        self.domains[name] = {
            "name": name, "version": self.bump("domain " + name),
            "enableHttps": data.get("enableHttps"), "certIdentifier": None}
        return Reply(201 if method == "POST" else 200, self.domains[name])

    # --- MCP servers: an ingress with annotations ---

    def mcp(self, name, single=True):
        i = self.ingresses.get(f"mcp-server-{name}.internal")
        if i is None:
            return None
        a = self.auth(i["name"])
        v = {"id": None, "name": name, "domains": i["domains"],
             "description": i["customConfigs"].get("description"),
             "services": i["services"], "type": i["mcp"]["type"],
             "consumerAuthInfo": None, "dbConfig": None, "dbType": None,
             "rawConfigurations": i["mcp"]["raw"], "directRouteConfig": None}
        if single:
            v["directRouteConfig"] = i["mcp"]["direct"]
            v["consumerAuthInfo"] = a and {
                "type": "key-auth", "enable": a["enabled"],
                "allowedConsumers": a["allowedConsumers"]}
        return v

    def do_mcps(self, method, name, data, how):
        if name == ["consumers"]:
            return self.do_mcp_consumers(method, data)
        name = name[0] if name else None
        if method == "GET":
            if name is None:
                return self.many(
                    self.mcp(k[len("mcp-server-"):-len(".internal")], False)
                    for k in sorted(self.ingresses)
                    if k.startswith("mcp-server-"))
            v = self.mcp(name)
            return self.one(v) if v else error(502, "com.alibaba.higress.sdk."
                                               "exception.NotFoundException: x")
        if method == "DELETE":
            self.ingresses.pop(f"mcp-server-{name}.internal", None)
            self.lists.pop(f"mcp-server-{name}.internal", None)
            return Reply(204)
        if method != "PUT" or name is not None:
            return framework(405)
        if not data.get("services"):
            return error(400, INVALID + "services")
        if data["type"] not in ("OPEN_API", "DATABASE", "DIRECT_ROUTE"):
            return framework(400)
        target = f"mcp-server-{data['name']}.internal"
        direct = data.get("directRouteConfig")
        route = {"domains": data.get("domains"),
                 "services": data["services"],
                 "path": {"matchType": "PRE", "caseSensitive": None,
                          "matchValue": "/mcp-servers/" + data["name"]},
                 "customConfigs": {"description": data.get("description")},
                 "customLabels": {"higress.io/mcp-server-type": data["type"]}}
        if direct:
            path = direct["path"]
            if direct["transportType"] == "sse":
                if not path.endswith("/sse"):
                    return error(500, BUSINESS + "must end with /sse")
                path = path[:-4] or "/"
            route["rewrite"] = {"enabled": True, "path": path, "host": None}
            route["customConfigs"][
                "higress.io/mcp-server-upstream-transport-type"] = \
                direct["transportType"]
        self.put_ingress(target, route)
        self.ingresses[target]["mcp"] = {
            "type": data["type"], "direct": direct,
            "raw": data.get("rawConfigurations")}
        if how == "busy":
            return error(409, CONFLICT)
        info = data.get("consumerAuthInfo")
        if info is not None and how != "open":
            if info.get("type") != "key-auth":
                return error(500, "java.lang.NullPointerException: null")
            self.put_list(target, info, "enable")
        return Reply(200, data)

    def do_mcp_consumers(self, method, data):
        target = f"mcp-server-{data['mcpServerName']}.internal"
        if target not in self.ingresses:
            return error(500, "java.lang.NullPointerException: null")
        v = self.lists.setdefault(target, {"on": False, "names": []})
        names = set(v["names"])
        names = names | set(data["consumers"]) if method == "PUT" else \
            names - set(data["consumers"])
        v["names"] = sorted(names)
        return Reply(204)


class FakeGateway:
    """What key-auth does with the Console's state, `lag` seconds later; until
    `active` seconds after the start it lets everybody in, as the real one."""

    def __init__(self, console, lag=0.5, active=0.0):
        self.console, self.lag = console, lag
        self.active_at = time.monotonic() + active
        self.requests, self.answers, self.history = [], [], []

    def start(self):
        self.server = Server(self.handle)
        self.url = self.server.url
        self.ended = threading.Event()
        threading.Thread(target=self.follow, daemon=True).start()
        return self

    def stop(self):
        self.ended.set()
        self.server.stop()

    def handle(self, http):
        http.rfile.read(int(http.headers.get("Content-Length") or 0))
        status, realm = self.judge(
            http.headers.get("Host", "").split(":")[0], http.path,
            http.headers.get("Authorization"))
        self.requests.append(http.path)
        self.answers.append(status)
        http.send_response(status)
        if realm:
            http.send_header("WWW-Authenticate", realm)
        http.send_header("Content-Length", "0")
        http.end_headers()

    def follow(self):
        seen = None
        while not self.ended.wait(0.02):
            with self.console.lock:
                if self.console.changed == seen:
                    continue
                seen = self.console.changed
                self.history.append((time.monotonic() + self.lag,
                                     copy.deepcopy((self.console.consumers,
                                                    self.console.lists,
                                                    self.console.ingresses))))

    def judge(self, host, path, key):
        now = time.monotonic()
        states = [s for due, s in self.history if due <= now]
        if not states:
            return 404, None
        consumers, lists, ingresses = states[-1]
        fits = [i for i in ingresses.values()
                if path.startswith(i["path"]["matchValue"]) and
                (not i["domains"] or host in i["domains"])]
        if not fits:
            return 404, None
        best = max(fits, key=lambda i: (bool(i["domains"]),
                                        len(i["path"]["matchValue"])))
        rule = lists.get(best["name"])
        if now < self.active_at or rule is None or not rule["on"]:
            return 404, None            # passed on; there is no such thing
        for c in consumers.values():
            cred = c["credentials"][0]
            if cred["source"] == "BEARER" and key in \
                    ["Bearer " + v for v in cred["values"]]:
                if c["name"] in rule["names"]:
                    return 404, None
                return 403, "Basic realm=MSE Gateway"
        return 401, "Key realm=MSE Gateway"
