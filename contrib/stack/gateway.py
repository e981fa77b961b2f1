#!/usr/bin/env python3
"""The embedded gateway: which model stands behind it, and a first question to it.

Called by ./quickstart; uses nothing but Python's own library.

    gateway.py settings --home H --config F --port P --parrot-port Q
        writes the gateway's part of the controller's settings, between two
        marks; prints "parrot", or the name of the model behind it.
        HICLAW_LLM_API_KEY, HICLAW_LLM_BASE_URL and HICLAW_LLM_MODEL, all three
        set, put a real model there; they are kept for later starts.
        HICLAW_LLM_BASE_URL=parrot brings the parrot back.
    gateway.py ask --home H
        asks the model as the first agent that has a home, with its key; once
        for each model, since a real one may cost
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
import time
import urllib.error
import urllib.request

from homeserver import write

BEGIN = "# --- written by the quick start at each start; to make it yours, " \
        "remove both marks"
END = "# --- end of what the quick start writes"
NAMES = ("HICLAW_LLM_API_KEY", "HICLAW_LLM_BASE_URL", "HICLAW_LLM_MODEL")
QUESTION = "Say in one short sentence who you are."
PATIENCE_S = 20         # until the gateway lets a new agent in


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


def parrot_key(home):
    path = home / "parrot.key"
    if not path.exists():
        write(str(path), secrets.token_hex(24) + "\n")
    return path.read_text().strip()


def block(home, port, parrot_port, llm, agents):
    """YAML; JSON strings are YAML strings.  agents: may we write that section?"""
    if llm:
        url = llm["HICLAW_LLM_BASE_URL"].rstrip("/")
        name, key = "llm", llm["HICLAW_LLM_API_KEY"]
    else:
        url = f"http://127.0.0.1:{parrot_port}/v1"
        name, key = "parrot", parrot_key(home)
    lines = [BEGIN, "gateway:", "  provider: envoy",
             f"  url: http://127.0.0.1:{port}",
             f"  directory: {json.dumps(str(home / 'gateway'))}",
             "  providers:", f"    - name: {name}",
             f"      url: {json.dumps(url)}", f"      key: {json.dumps(key)}"]
    if llm and agents:
        lines += ["agents:",
                  f"  model: {json.dumps(llm['HICLAW_LLM_MODEL'])}"]
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
    new = block(home, o.port, o.parrot_port, llm,
                not re.search(r"^agents:", rest, re.M))
    if rest == text:
        text = text.rstrip("\n") + "\n" + new
    else:
        text = marked.sub(lambda _: new, text, count=1)
    write(str(path), text)
    print(llm["HICLAW_LLM_MODEL"] if llm else "parrot")


def agent(home):
    """Name, key and model of the first agent with a home; workers first."""
    found = sorted((home / "storage" / "agents").glob("*/openclaw.json"),
                   key=lambda p: (p.parent.name == "default", str(p)))
    for path in found:
        config = json.loads(path.read_text())
        provider = config.get("models", {}).get("providers", {}) \
            .get("hiclaw-gateway")
        if provider:
            model = config["agents"]["defaults"]["model"]["primary"]
            return path.parent.name, provider, model.partition("/")[2]
    return None


def answer(request):
    """The answer's text.  A gateway that does not yet know the agent refuses it
    at no cost: then ask again for a while."""
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as r:
                text = json.load(r)["choices"][0]["message"]["content"]
                return " ".join(str(text).split())
        except urllib.error.HTTPError as e:
            said = f"{e.code} {e.read(300).decode(errors='replace')}".strip()
            if e.code not in (401, 403, 404, 503) or \
                    time.monotonic() > limit:
                raise OSError(said) from None
        time.sleep(0.5)


def ask(o):
    home = pathlib.Path(o.home)
    found, llm = agent(home), kept_model(home)
    if not found:
        sys.exit("no agent has a home with a key yet, so nobody could ask a "
                 "model")
    name, provider, model = found
    if llm:
        model = llm["HICLAW_LLM_MODEL"]
    who = model if llm else "parrot"
    asked = home / "model-asked"
    if asked.exists() and asked.read_text() == who + "\n":
        return
    request = urllib.request.Request(
        provider["baseUrl"].rstrip("/") + "/chat/completions",
        data=json.dumps({"model": model, "max_tokens": 60, "messages": [
            {"role": "user", "content": QUESTION}]}).encode(),
        headers={"Authorization": "Bearer " + provider["apiKey"],
                 "Content-Type": "application/json"})
    cost = " (once; at most 60 tokens, which your key pays)" if llm else ""
    print(f"\n{name} asked through the gateway: {QUESTION}{cost}", flush=True)
    try:
        print(f"{who}: {answer(request)}")
    except (OSError, KeyError, IndexError, TypeError, ValueError) as e:
        sys.exit(f"{who} did not answer: {e}")
    write(str(asked), who + "\n")


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
    a = sub.add_parser("ask")
    m = sub.add_parser("sample")
    m.add_argument("file")
    for x in (s, a, m):
        x.add_argument("--home", required=True)
    o = p.parse_args()
    {"settings": settings, "ask": ask, "sample": sample}[o.what](o)


if __name__ == "__main__":
    main()
