#!/usr/bin/env python3
"""Parrot: a stand-in for a model, and it says so.

An OpenAI-compatible upstream that needs no key, no network and no model, so that
the way from an agent through the gateway can be seen working.  It answers what
it was told last, and that it is a parrot.

Two things it does as a model would that follows its prompt, by looking for words.
A team's leader ("Team Workers" in the prompt) that is told "ask alice to ..."
mentions alice with the task; a worker whose "Coordinator" asks mentions the
coordinator.  It does none of the work, and says so.

    parrot.py [--port 29303] [--address 127.0.0.1] [--key-file FILE]

GET /v1/models, POST /v1/chat/completions (streamed or not), GET /healthz.
"""
import argparse
import http.server
import json
import re
import secrets
import signal
import socket
import sys
import threading
import time

BODY_MAX = 4 * 1024 * 1024
ECHO_MAX = 400          # characters of what was said
THREADS_MAX = 64
TIMEOUT_S = 30
MODELS = ("parrot", "qwen3.6-plus")


class Refused(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind = status, kind


def text_of(content):
    """The text of a message: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(p["text"] for p in content
                        if isinstance(p, dict) and
                        isinstance(p.get("text"), str))
    return ""


ID = r"@[A-Za-z0-9._=+/-]+:[A-Za-z0-9.-]*[A-Za-z0-9](?::\d{1,5})?"
ME = "I am parrot, a stand-in without a model"


def local(user):
    """alice of @hiclaw_alice:example.org"""
    name = user[1:].partition(":")[0]
    return name.partition("_")[2] or name


class Prompt:
    """What the prompt says about whom the agent works with."""

    def __init__(self, messages):
        text = "\n".join(text_of(m.get("content")) for m in messages
                         if isinstance(m, dict) and
                         m.get("role") in ("system", "developer"))
        team = re.search(r"^- \*\*Team Workers\*\*:\n((?:  - .*\n?)*)", text,
                         re.M)
        self.workers = {local(w): w for w in re.findall(
            f"^  - ({ID})", team[1], re.M)} if team else {}
        above = re.search(rf"^- \*\*Coordinator\*\*: ({ID})", text, re.M)
        self.coordinator = above[1] if above else None


def asked(said, workers):
    """[(worker's id, task)] of "ask alice and bob to ..." """
    names = "|".join(re.escape(n) for n in
                     sorted(workers, key=len, reverse=True))
    one = rf"@?(?:\w+_)?(?:{names})(?::[\w.:-]*\w)?"
    found = names and re.search(
        rf"\b(?:ask|tell|have|let)\s+({one}(?:\s*(?:,|and)\s*{one})*)"
        r"[,:]?\s+(?:to\s+)?(.+)", said, re.I)
    if not found:
        return []
    who = re.findall(rf"(?<![A-Za-z0-9])({names})(?![\w-])",
                     found[1].replace("_", " "), re.I)
    return [(workers[w.lower()], found[2]) for w in dict.fromkeys(who)
            if w.lower() in workers]


def short(text):
    """One line without full ids: an id would call somebody."""
    text = re.sub(ID, lambda m: local(m[0]), " ".join(text.split()))
    return text if len(text) <= ECHO_MAX else text[:ECHO_MAX] + " …"


def answer(messages):
    said = next((text_of(m.get("content")) for m in reversed(messages)
                 if isinstance(m, dict) and m.get("role") == "user"), "")
    prompt = Prompt(messages)
    # "who says it: what", as agents put a room's talk.
    by, what = re.match(rf"(?:({ID}): )?(.*)", said.strip(), re.S).groups()
    what = re.sub(rf"^{ID}[:,]?\s+", "", what)
    if not what.strip():
        return f"{ME}. You said nothing."
    if by in prompt.workers.values():
        return f"{ME}. From {local(by)} I have: {short(what)}"
    tasks = asked(what, prompt.workers)
    if tasks:
        return f"{ME}, and hand this on.\n\n" + "\n".join(
            f"{worker}: {short(task)}" for worker, task in tasks)
    if by and by == prompt.coordinator:
        return f"{by}: {ME}, so nothing was done. You asked: {short(what)}"
    return f"{ME}. You said: {short(what)}"


def tokens(text):
    """About four characters each: an estimate, as a count must be there."""
    return max(1, len(text) // 4)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "parrot", ""
    timeout = TIMEOUT_S

    def log_message(self, *args):
        pass                    # what is said is nobody's business

    def reply(self, status, body, close=False):
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def guarded(self, do):
        try:
            key = self.server.key
            given = self.headers.get("Authorization", "")
            if key and not secrets.compare_digest(
                    given.encode(), f"Bearer {key}".encode()):
                raise Refused(401, "invalid_request_error", "wrong API key")
            do()
        except Refused as e:
            # What was not read of the body must not be taken for a request.
            self.reply(e.status, {"error": {
                "message": str(e), "type": e.kind, "param": None,
                "code": None}}, close=True)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self.reply(200, {"ok": True})
        elif path == "/v1/models":
            self.guarded(lambda: self.reply(200, {
                "object": "list", "data": [{
                    "id": m, "object": "model", "created": 0,
                    "owned_by": "parrot"} for m in MODELS]}))
        else:
            self.guarded(self.nothing)

    def do_POST(self):
        if self.path.partition("?")[0] == "/v1/chat/completions":
            self.guarded(self.complete)
        else:
            self.guarded(self.nothing)

    def nothing(self):
        raise Refused(404, "invalid_request_error",
                      f"there is no {self.command} {self.path[:100]} here")

    def body(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise Refused(411, "invalid_request_error",
                          "Content-Length is missing")
        if int(length) > BODY_MAX:
            raise Refused(413, "invalid_request_error",
                          f"more than {BODY_MAX} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "invalid_request_error",
                          "the body is not JSON") from None
        if not isinstance(body, dict) or \
                not isinstance(body.get("messages"), list) or \
                not body["messages"]:
            raise Refused(400, "invalid_request_error",
                          "messages: expected a list that is not empty")
        return body

    def complete(self):
        body = self.body()
        text = answer(body["messages"])
        model = body.get("model")
        base = {"id": "chatcmpl-" + secrets.token_hex(12),
                "created": int(time.time()),
                "model": model if isinstance(model, str) else "parrot"}
        asked = sum(tokens(text_of(m.get("content"))) for m in
                    body["messages"] if isinstance(m, dict))
        usage = {"prompt_tokens": asked, "completion_tokens": tokens(text),
                 "total_tokens": asked + tokens(text)}
        if body.get("stream"):
            options = body.get("stream_options")
            self.stream(base, text, usage if isinstance(options, dict) and
                        options.get("include_usage") else None)
            return
        self.reply(200, {
            **base, "object": "chat.completion", "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": text}}]})

    def stream(self, base, text, usage):
        """Server-sent events, a few words each."""
        base["object"] = "chat.completion.chunk"

        def send(data):
            line = f"data: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

        def chunk(delta, end=None):
            send(json.dumps({**base, "choices": [{
                "index": 0, "delta": delta, "finish_reason": end}]},
                ensure_ascii=False))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk({"role": "assistant", "content": ""})
        words = text.split(" ")
        for i in range(0, len(words), 4):
            end = " " if i + 4 < len(words) else ""
            chunk({"content": " ".join(words[i:i + 4]) + end})
        chunk({}, "stop")
        if usage:
            send(json.dumps({**base, "choices": [], "usage": usage}))
        send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, key):
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)
        self.key, self.slots = key, threading.Semaphore(THREADS_MAX)

    def process_request(self, request, client_address):
        self.slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request, client_address):
        pass                    # somebody hung up


def main():
    p = argparse.ArgumentParser(
        description="An OpenAI-compatible stand-in without a model.")
    p.add_argument("--port", type=int, default=29303)
    p.add_argument("--address", default="127.0.0.1")
    p.add_argument("--key-file", help="a file with the key to ask for")
    o = p.parse_args()
    key = None
    if o.key_file:
        with open(o.key_file, encoding="utf-8") as f:
            key = f.read().strip()
    server = Server((o.address, o.port), key)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"parrot on http://{o.address}:{server.server_port}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
