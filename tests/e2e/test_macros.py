"""Commands of the operator on the real program: macros that change agents, a
manifest with parameters, and files that are taken all or not at all.  And the rule
that says no, before and after.
"""
import base64
import hashlib

import pytest
from client import eventually
from conftest import running_stack

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: ann}
spec: {model: small}
"""
HIRE = """
name: hire
usage: "hire NAME WHAT FOR"
summary: A new worker
group: Ours
tier: 2
risk: change
arguments:
  - {name: name, type: name, required: true}
  - {name: task, type: words, required: true}
template: |
  apiVersion: hiclaw.io/v1beta1
  kind: Worker
  metadata: {name: {{name}}}
  spec: {model: small, soul: {{task}}}
examples: [hire dora write notes]
"""
NIGHT = """
name: good night
usage: good night AGENT
summary: All sleep
group: Ours
tier: 3
risk: change
arguments:
  - {name: agent, type: agent, required: true, many: true}
run:
  - whoami
  - sleep {{agent}}
examples: [good night ann]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("commands")
    (path / "hire.yaml").write_text(HIRE)
    return path


@pytest.fixture(scope="module")
def house(template, files):
    for s in running_stack(template, {
            "chat": {"rate": 600, "commands_extra": str(files)}}):
        s.apply(WORKER)
        s.settle()
        yield s


def said(stack, *words):
    """The bot's line in the admin room that has all the words."""
    def look():
        stack.admin.sync()
        return [c["body"] for _, c, _ in stack.admin.from_bot(stack.room)
                if all(w in c["body"] for w in words)]
    return eventually(look, 25, what=f"a line with {words}")


def test_template(house):
    reply = house.ask('@hiclaw hire dora "notes: and, braces}"')
    assert reply.state == "done" and "apply Worker/dora" in reply.body, reply
    got = house.ask("@hiclaw get worker dora -o yaml").body
    assert "notes: and, braces}" in got and "model: small" in got
    assert "hire" in house.ask("@hiclaw help").body


def test_reload(house, files):
    (files / "night.yaml").write_text(NIGHT.replace("- whoami", "- whoamy"))
    reply = house.ask("@hiclaw reload")
    assert reply.state == "refused"
    assert "night.yaml:11:5: no command: whoamy" in reply.body, reply
    assert "hire" in house.ask("@hiclaw help").body
    (files / "night.yaml").write_text(NIGHT)
    assert "2 of them macros" in house.ask("@hiclaw reload").body
    house.ask("@hiclaw good night ann")
    house.settle()
    got = house.ask("@hiclaw get worker ann -o yaml").body
    assert "state: Sleeping" in got, got


def test_restart(house, files):
    """What is broken then is left out, and that is said; nothing else fails."""
    (files / "night.yaml").write_text(NIGHT + "  - more\n")
    house.controller.stop()
    house.controller.start()
    help_text = house.ask("@hiclaw help").body
    assert "good night" not in help_text and "`apply`" in help_text
    said(house, "commands of your own", "night.yaml:")
    (files / "night.yaml").write_text(NIGHT)
    assert "2 of them macros" in house.ask("@hiclaw reload").body


DESCRIPTION = "org.matrix.msc4391.command_description"


def told(stack):
    """What the room tells of commands (MSC4391), by command."""
    state = stack.eyes.room(stack.room).state
    out = {}
    for (kind, key), e in state.items():
        if kind == DESCRIPTION and e["content"]:
            whole = e["content"]["command"] + stack.eyes.bot
            digest = hashlib.sha256(whole.encode()).digest()
            assert key == base64.b64encode(digest).decode()
            assert e["sender"] == stack.eyes.bot
            out[e["content"]["command"]] = e["content"]
    return out


def test_descriptions(house, files):
    """In the state of the admin room, after the start and after a reload."""
    tells = eventually(lambda: (t := told(house)) and
                       {"apply", "gateway grant", "hire", "good night"}
                       <= set(t) and t, 40, what="descriptions")
    hire = tells["hire"]["parameters"]
    assert [p["key"] for p in hire] == ["name", "task"]
    (files / "night.yaml").unlink()
    assert "1 of them macros" in house.ask("@hiclaw reload").body
    eventually(lambda: "good night" not in told(house), 40,
               what="a description less")
    # What the room has already is not told again.
    house.controller.stop()
    house.proxy.clear()
    house.controller.start()
    eventually(lambda: any(c.method == "GET" and c.path.endswith("/state")
                           for c in list(house.proxy.calls)), 40,
               what="a look at the room")
    house.ask("@hiclaw version")
    assert not [c for c in list(house.proxy.calls)
                if c.method == "PUT" and DESCRIPTION in c.path]


def test_invocation(house):
    """What a client sends that read them; its text is its own affair."""
    event = house.admin.send(house.room, {
        "msgtype": "m.text", "body": "/get",
        "m.mentions": {"user_ids": [house.eyes.bot]},
        "org.matrix.msc4391.command": {
            "command": "get", "arguments": {
                "kind": "worker", "name": ["ann"], "output": "name"}}})
    reply = house.admin.answer(house.room, event)
    assert "ann" in reply.body and "dora" not in reply.body, reply


def test_rules(house):
    yes = house.ask("@hiclaw can-i delete worker ann")
    assert "Yes, after a question" in yes.body and "asked-first" in yes.body
    who = house.ask("@hiclaw who-can exec worker ann")
    assert "@admin:" in who.body
