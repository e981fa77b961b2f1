#!/usr/bin/env python3
"""The embedded gateway, and the rest of what the controller is told of the stack:
which model is there, what runs agents, the token of the admin's scripts.

Called by ./quickstart; uses nothing but Python's own library.

    gateway.py settings --home H --config F --port P --parrot-port Q [--engine]
        writes that part of the controller's settings, between two marks (with
        --engine also what the engine is for); prints "parrot", or the name of the model behind it.
        HICLAW_LLM_API_KEY, HICLAW_LLM_BASE_URL and HICLAW_LLM_MODEL, all three
        set, put a real model there; they are kept for later starts.
        HICLAW_LLM_BASE_URL=parrot brings the parrot back.
    gateway.py asked --home H [--done]
        prints the model if nobody asked it before; --done: somebody did
    gateway.py sample --home H FILE
        prints FILE with the model of its agents set to the one behind the
        gateway
"""
import argparse
import json
import os
import pathlib
import re
import secrets
import sys

import engine
from homeserver import write

BEGIN = "# --- written by the quick start at each start; to make it yours, " \
        "remove both marks"
END = "# --- end of what the quick start writes"
NAMES = ("HICLAW_LLM_API_KEY", "HICLAW_LLM_BASE_URL", "HICLAW_LLM_MODEL")


def kept_model(home):
    """What was asked for before: None is the parrot."""
    try:
        return json.loads((home / "llm.json").read_text())
    except FileNotFoundError:
        return None


def wanted(home):
    """What was asked for, now or before: None is the parrot."""
    kept = home / "llm.json"
    given = {n: os.environ.get(n, "") for n in NAMES}
    if given["HICLAW_LLM_BASE_URL"] == "parrot":
        kept.unlink(missing_ok=True)
        return None
    if all(given.values()):
        write(str(kept), json.dumps(given) + "\n")
        return given
    if any(given.values()):
        missing = " and ".join(n for n in NAMES if not given[n])
        sys.exit(f"a real model needs {missing} as well (or set none of the "
                 "three)")
    return kept_model(home)


def secret(path):
    """Made once, and the same ever after."""
    if not path.exists():
        write(str(path), secrets.token_hex(24) + "\n")
    return path.read_text().strip()


def gateway_lines(home, port, parrot_port, llm, listen):
    if llm:
        url = llm["HICLAW_LLM_BASE_URL"].rstrip("/")
        name, key = "llm", llm["HICLAW_LLM_API_KEY"]
    else:
        url = f"http://127.0.0.1:{parrot_port}/v1"
        name, key = "parrot", secret(home / "parrot.key")
    return ["gateway:", "  provider: envoy",
            f"  url: http://127.0.0.1:{port}",
            f"  agents_url: http://{listen[-1]}",
            f"  listen: {json.dumps(listen)}",
            f"  directory: {json.dumps(str(home / 'gateway'))}",
            "  providers:", f"    - name: {name}",
            f"      url: {json.dumps(url)}", f"      key: {json.dumps(key)}"]


def agents_lines(llm, door):
    lines = []
    if llm:
        lines.append(f"  model: {json.dumps(llm['HICLAW_LLM_MODEL'])}")
    if door:
        lines += [f"  homeserver_url: {door}", "  images:"]
        lines += [f"    {r}: {engine.IMAGE}" for r in (
            "openclaw", "copaw", "hermes", "manager")]
    return ["agents:"] + lines if lines else []


def block(home, o, llm, rest):
    """YAML; JSON strings are YAML strings.  A section that stands in the rest is
    its owner's, and then ours stays out."""
    listen, lines, door = [f"127.0.0.1:{o.port}"], [BEGIN], None
    more, runs = [], o.engine and not re.search(r"^containers:", rest, re.M)
    if runs:
        more, door = engine.settings(home, o.port - 2)
        listen.append(door.removeprefix("http://"))
    lines += gateway_lines(home, o.port, o.parrot_port, llm, listen) + more
    for name, own in (("agents", agents_lines(llm, door)), ("api", [
            "api:", f"  admin_token: {secret(home / 'api.token')}"])):
        if not re.search(rf"^{name}:", rest, re.M):
            lines += own
    return "\n".join(lines + [END, ""])


def settings(o):
    home, path = pathlib.Path(o.home), pathlib.Path(o.config)
    text = path.read_text()
    llm = wanted(home)
    marked = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END) + r"\n",
                        re.S)
    rest = marked.sub("", text)
    if re.search(r"^gateway:", rest, re.M):
        write(str(path), rest)      # two of them would be an error
        print("yours")
        return
    new = block(home, o, llm, rest)
    if rest == text:
        text = text.rstrip("\n") + "\n" + new
    else:
        text = marked.sub(lambda _: new, text, count=1)
    write(str(path), text)
    print(llm["HICLAW_LLM_MODEL"] if llm else "parrot")


def asked(o):
    """Is there a model that was not asked before?  A real one may cost."""
    home = pathlib.Path(o.home)
    llm, kept = kept_model(home), home / "model-asked"
    who = llm["HICLAW_LLM_MODEL"] if llm else "parrot"
    if not o.done and kept.exists() and kept.read_text() == who + "\n":
        return
    if o.done:
        write(str(kept), who + "\n")
    print(who)


def sample(o):
    llm = kept_model(pathlib.Path(o.home))
    text = pathlib.Path(o.file).read_text(encoding="utf-8")
    if llm:
        model = json.dumps(llm["HICLAW_LLM_MODEL"])
        text = re.sub(r"^( *model:) .*$", lambda m: f"{m[1]} {model}", text,
                      flags=re.M)
    sys.stdout.write(text)


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(dest="what", required=True)
    s = sub.add_parser("settings")
    s.add_argument("--config", required=True)
    s.add_argument("--port", type=int, required=True)
    s.add_argument("--parrot-port", type=int, required=True)
    s.add_argument("--engine", action="store_true")
    a = sub.add_parser("asked")
    a.add_argument("--done", action="store_true")
    m = sub.add_parser("sample")
    m.add_argument("file")
    for x in (s, a, m):
        x.add_argument("--home", required=True)
    o = p.parse_args()
    {"settings": settings, "asked": asked, "sample": sample}[o.what](o)


if __name__ == "__main__":
    main()
