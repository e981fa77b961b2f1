"""A caller of the controller's REST API."""
import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

import stack as stacks

TOKEN = "a-token-of-tier-one-for-the-tests"


class Rest:
    def __init__(self, url, token=TOKEN):
        self.url, self.token = url, token

    def raw(self, method, path, body=None, token=None, headers=()):
        token = self.token if token is None else token
        data = body if body is None or isinstance(body, bytes) \
            else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data,
                                         dict(headers), method=method)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        try:
            with urllib.request.urlopen(request, timeout=30) as r:
                return r.status, dict(r.headers), r.read()
        except urllib.error.HTTPError as e:
            return e.code, dict(e.headers), e.read()

    def ask(self, method, path, body=None, **more):
        """Status and what the body says; None for an empty one."""
        status, _, raw = self.raw(method, "/api/v1" + path, body, **more)
        return status, json.loads(raw) if raw else None

    def get(self, path):
        status, o = self.ask("GET", path)
        assert status == 200, (status, o)
        return o


def cli_path():
    return os.environ.get("HICLAW_CLI", str(
        pathlib.Path(stacks.controller_path()).with_name("hiclaw")))


def cli(*args, url="", token=TOKEN, stdin=None, env=None, timeout=120):
    """Exit status, standard output, standard error of the command."""
    full = dict(os.environ, HICLAW_CONTROLLER_URL=url, **(env or {}))
    for name in ("HICLAW_AUTH_TOKEN", "HICLAW_AUTH_TOKEN_FILE"):
        if name not in (env or {}):
            full.pop(name, None)
    if token:
        full["HICLAW_AUTH_TOKEN"] = token
    out = subprocess.run([cli_path(), *args], input=stdin, text=True,
                         capture_output=True, env=full, timeout=timeout)
    return out.returncode, out.stdout, out.stderr
