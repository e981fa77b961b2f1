"""The homeserver goes away in the middle of a run, and comes back."""
import os
import threading
import time

import pytest
from client import REPLY, MatrixError, eventually
from expect import ADMIN, agent

DOWN_S = float(os.environ.get("DOWN_SECONDS", "60"))

TEAM = """
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: %(t)s}
spec:
  leader: {name: %(t)s-lead, model: small}
  workers:
  - {name: %(t)s-a, model: small}
  - {name: %(t)s-b, model: small}
  - {name: %(t)s-c, model: small}
  - {name: %(t)s-d, model: small}
"""


def plain_lines(stack, since_ms):
    """What the bot said of its own accord since then."""
    return [e["content"]["body"] for e in stack.admin.history(stack.room)
            if e["type"] == "m.room.message" and e["sender"] == stack.bot
            and e["origin_server_ts"] >= since_ms
            and REPLY not in e["content"]
            and "m.relates_to" not in e["content"]]


def started_making(stack):
    return any(c.name == "POST createRoom" for c in stack.proxy.writes())


def check_team(stack, t):
    for x in "abcd":
        room = stack.eyes.by_alias(f"hiclaw_worker_{t}-{x}")
        assert room and room.inside == {
            stack.bot, ADMIN, agent(f"{t}-{x}"), agent(f"{t}-lead")}
        assert {agent(f"{t}-{x}"), agent(f"{t}-lead")} <= room.joined
    team = stack.eyes.by_alias(f"hiclaw_team_{t}")
    assert team and len(team.joined) >= 6
    twice = {k: v for k, v in stack.eyes.by_marker().items() if len(v) > 1}
    assert not twice


def finish(stack, event, t, start_ms):
    reply = stack.admin.answer(stack.room, event, 120)
    assert reply.state == "done", reply
    stack.admin.accept()
    stack.settle(60)
    check_team(stack, t)
    time.sleep(2)
    lines = plain_lines(stack, start_ms)
    assert len(lines) <= 1, lines
    return lines


def test_frozen_in_the_middle(stack):
    """It takes connections and does not answer."""
    start = int(time.time() * 1000)
    stack.proxy.clear()
    event = stack.admin.paste(stack.room, TEAM % {"t": "ice"})
    eventually(lambda: started_making(stack), 20, 0.02)
    stack.hs.freeze()
    try:
        time.sleep(DOWN_S)
    finally:
        stack.hs.thaw()
    finish(stack, event, "ice", start)


def test_killed_in_the_middle(stack):
    """It refuses connections, then starts again from its disk."""
    start = int(time.time() * 1000)
    stack.proxy.clear()
    event = stack.admin.paste(stack.room, TEAM % {"t": "fire"})
    eventually(lambda: started_making(stack), 20, 0.02)
    stack.hs.kill()
    time.sleep(DOWN_S)
    stack.hs.start()
    lines = finish(stack, event, "fire", start)
    assert len(lines) == 1, "the room did not hear that the server was away"


def test_queue_of_a_restarted_homeserver(stack):
    """We are down, somebody writes, the homeserver restarts too: what it had
    not delivered is still done, once."""
    assert stack.controller.stop() == 0
    event = stack.admin.paste(stack.room, """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: late}
spec: {model: small}
""")
    stack.hs.stop()
    stack.hs.start()
    stack.controller.start()
    reply = stack.admin.answer(stack.room, event, 60)
    assert reply.state == "done", reply
    stack.settle()
    assert agent("late") in stack.eyes.by_alias("hiclaw_worker_late").joined
    answers = [e for e in stack.admin.history(stack.room)
               if (e["content"].get(REPLY) or {}).get("for") == event
               and "m.new_content" not in e["content"]]
    assert len({e["content"][REPLY].get("run") for e in answers
                if e["content"][REPLY].get("run")}) <= 1


def test_controller_waits_for_the_homeserver(stack):
    """Started first, it does not give up."""
    assert stack.controller.stop() == 0
    stack.hs.stop()
    stack.controller.start(wait=False)
    time.sleep(3)
    assert stack.controller.process.poll() is None
    stack.hs.start()
    stack.controller.wait(60)
    reply = stack.ask("@hiclaw status")
    assert reply.state == "info", reply
