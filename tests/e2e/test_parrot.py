"""The stand-in for a model speaks the API, and plainly says what it is."""
import http.client
import json
import pathlib
import subprocess
import sys

import pytest

PARROT = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "parrot" \
    / "parrot.py"


class Parrot:
    def __init__(self, *args):
        self.process = subprocess.Popen(
            [sys.executable, str(PARROT), "--port", "0", *args],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1].partition("/")[0])

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request(method, path, body if body is None or isinstance(
            body, (bytes, str)) else json.dumps(body), headers or {})
        r = c.getresponse()
        data = r.read().decode()
        c.close()
        return r.status, r.getheader("Content-Type"), data

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def parrot():
    p = Parrot()
    yield p
    p.stop()


def said(text, **more):
    return {"model": "some-model", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": text}], **more}


def test_answers_and_says_what_it_is(parrot):
    status, kind, data = parrot.ask("POST", "/v1/chat/completions",
                                    said("hello  there"))
    answer = json.loads(data)
    text = answer["choices"][0]["message"]["content"]
    assert status == 200 and kind == "application/json"
    assert "parrot" in text and "without a model" in text
    assert text.endswith("You said: hello there")
    assert answer["model"] == "some-model"
    assert answer["usage"]["total_tokens"] == \
        answer["usage"]["prompt_tokens"] + \
        answer["usage"]["completion_tokens"] > 0
    parts = said([{"type": "text", "text": "a"}, {"type": "image_url"},
                  {"type": "text", "text": "b"}])
    _, _, data = parrot.ask("POST", "/v1/chat/completions", parts)
    assert json.loads(data)["choices"][0]["message"]["content"].endswith(
        "You said: a b")


def test_streams(parrot):
    status, kind, data = parrot.ask(
        "POST", "/v1/chat/completions",
        said("one two three four five", stream=True,
             stream_options={"include_usage": True}))
    assert status == 200 and kind == "text/event-stream"
    events = [e.removeprefix("data: ") for e in data.split("\n\n") if e]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(e) for e in events[:-1]]
    assert chunks[-1]["usage"]["total_tokens"] > 0
    text = "".join(c["choices"][0]["delta"].get("content", "")
                   for c in chunks if c["choices"])
    assert text.endswith("You said: one two three four five")
    assert len(chunks) > 4
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


def texts(parrot, system, text):
    _, _, data = parrot.ask("POST", "/v1/chat/completions", {"messages": [
        {"role": "system", "content": system},
        {"role": "user", "content": text}]})
    return json.loads(data)["choices"][0]["message"]["content"]


LEADER = """- **Team**: crew
- **Team Workers**:
  - @hiclaw_alice:ex.org:8448 — Room: !a
  - @hiclaw_bob-2:ex.org:8448 — Room: !b

Split tasks.
"""
ALICE, BOB = "@hiclaw_alice:ex.org:8448", "@hiclaw_bob-2:ex.org:8448"


@pytest.mark.parametrize("text, called", [
    ("ask alice to paint the fence", [ALICE]),
    ("@admin:ex.org: @hiclaw_boss:ex.org:8448 please Ask Alice to paint",
     [ALICE]),
    ("tell bob-2: paint", [BOB]),
    ("Let alice and bob-2 paint", [ALICE, BOB]),
    (f"ask {BOB} to paint", [BOB]),
    ("ask @alice, bob-2 to paint", [ALICE, BOB]),
    ("ask carol to paint", []), ("ask bob to paint", []),
    ("alice is fine", []), ("task alice to paint", []),
    (f"{ALICE}: ask bob-2 to paint", []),     # a worker gives no orders
    (f"@admin:ex.org: what about {ALICE}?", [])])
def test_leads(parrot, text, called):
    said = texts(parrot, LEADER, text)
    assert "parrot, a stand-in without a model" in said
    lines = [x for x in said.splitlines() if "@" in x]
    assert [x.partition(" ")[0].rstrip(":") for x in lines] == called
    assert all("paint" in x for x in lines)


def test_answers_its_coordinator(parrot):
    worker = ("- **Coordinator**: @hiclaw_boss:ex.org (Team Leader of crew)\n")
    said = texts(parrot, worker, "@hiclaw_boss:ex.org: @hiclaw_alice:ex.org: "
                                 "paint the fence")
    assert said.startswith("@hiclaw_boss:ex.org: ") and "parrot" in said
    assert said.endswith("nothing was done. You asked: paint the fence")
    said = texts(parrot, worker, "@admin:ex.org: @hiclaw_alice:ex.org hello")
    assert "@" not in said and said.endswith("You said: hello")


@pytest.mark.parametrize("body, status", [
    ("{", 400), ("[]", 400), ({"messages": []}, 400),
    ({"messages": "x"}, 400), ("[" * 100000, 400),
    (b"x" * (4 * 1024 * 1024 + 1), 413)])
def test_refuses(parrot, body, status):
    try:
        got, _, data = parrot.ask("POST", "/v1/chat/completions", body)
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413        # it did not wait for the rest
    else:
        assert got == status
        assert json.loads(data)["error"]["type"] == "invalid_request_error"
    assert parrot.ask("GET", "/healthz")[0] == 200


def test_paths(parrot):
    assert parrot.ask("GET", "/v1/models")[0] == 200
    assert parrot.ask("GET", "/nothing")[0] == 404
    assert parrot.ask("POST", "/v1/embeddings", "{}")[0] == 404


def test_key(tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    p = Parrot("--key-file", str(tmp_path / "key"))
    try:
        assert p.ask("GET", "/v1/models")[0] == 401
        assert p.ask("GET", "/v1/models",
                     headers={"Authorization": "Bearer s3cret"})[0] == 200
    finally:
        p.stop()
