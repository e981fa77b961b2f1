"""Bad manifests through the real road: a clear answer, and nothing happens.
(The whole corpus is a unit test; here a part of it goes over the wire.)"""
import pathlib

import pytest
from stack import DOMAIN, ROOT

CORPUS = sorted(p for p in (ROOT / "tests" / "data" / "bad").glob("*")
                if p.suffix in (".yaml", ".yml") and p.stat().st_size < 900000)
# Every sixth: all kinds of trouble, in a few seconds.
PART = CORPUS[::6]


def refused(stack, event, *words):
    reply = stack.admin.answer(stack.room, event, 30)
    assert reply.state in ("refused", "failed"), reply
    for word in words:
        assert word in reply.body, reply
    return reply


def world(stack):
    return sorted(stack.eyes.my_rooms())


@pytest.mark.parametrize("path", PART, ids=lambda p: p.name)
def test_corpus_over_the_wire(stack, path):
    before = world(stack)
    # The corpus is written for another server name.
    data = path.read_bytes().replace(b"example.org", DOMAIN.encode())
    refused(stack, stack.admin.attach(stack.room, data, path.name))
    assert world(stack) == before


def test_position_and_spelling(stack):
    event = stack.admin.paste(stack.room, """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: w}
spec:
  modle: small
""")
    reply = refused(stack, event, "modle", "model")
    assert "line 5" in reply.body.lower() or "5:" in reply.body \
        or "line 6" in reply.body.lower(), reply


def test_one_bad_document_refuses_all(stack):
    before = world(stack)
    event = stack.admin.paste(stack.room, """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: good}
spec: {model: small}
---
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: Bad_Name}
spec: {model: small}
---
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: t}
spec: {leader: {name: good, model: small}}
""")
    refused(stack, event, "Bad_Name")
    assert world(stack) == before
    assert stack.eyes.resolve("hiclaw_worker_good") is None


def test_too_large(stack):
    data = b"# " + b"x" * (1200 * 1024) + b"\nkind: Worker\n"
    refused(stack, stack.admin.attach(stack.room, data, "large.yaml"))


def test_not_utf8(stack):
    data = b"apiVersion: hiclaw.io/v1beta1\nkind: Worker\nmetadata: " \
        b"{name: caf\xe9}\nspec: {model: m}\n"
    refused(stack, stack.admin.attach(stack.room, data, "latin.yaml"))


def test_still_well(stack):
    assert stack.controller.process.poll() is None
    assert not stack.controller.errors()
    assert stack.ask("@hiclaw status").state == "info"
