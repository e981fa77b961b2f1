"""Killed at each fault point of a run, the controller finishes it after the
restart: nothing made twice, nothing said twice, nothing missing."""
import os
import re
import signal
import subprocess
import time

import pytest
import stack as stacks
from client import REPLY, eventually
from expect import ADMIN, agent

WORKER = """
apiVersion: hiclaw.io/v1beta1
kind: Worker
metadata: {name: %s}
spec: {model: small}
"""


def fault_points():
    try:
        out = subprocess.run([stacks.controller_path(), "--list-faults"],
                             capture_output=True, text=True, timeout=30)
        return out.stdout.split()
    except OSError:
        return []


def cases():
    """Each point the first time it is reached, and where a run passes one
    often, also in the middle.  Those of containers are in test_fleet_faults."""
    for point in fault_points():
        if point.startswith("docker."):
            continue
        yield point, 1
        if re.match(r"engine|outbox|inbox|matrix", point):
            yield point, 2
        if re.match(r"engine|outbox", point):
            yield point, 4


CASES = list(cases())


def said(stack, event):
    """Messages (no edits) of the bot that answer this event."""
    out = []
    for e in stack.admin.history(stack.room):
        if e["type"] != "m.room.message" or e["sender"] != stack.bot:
            continue
        mark = e["content"].get(REPLY)
        if isinstance(mark, dict) and mark.get("for") == event and \
                (e["content"].get("m.relates_to") or {}).get("rel_type") \
                != "m.replace":
            out.append(e)
    return out


def check(stack, name, event, usual):
    user = agent(name)
    room = stack.eyes.by_alias(f"hiclaw_worker_{name}")
    assert room is not None
    assert room.joined >= {stack.bot, user}
    assert room.inside == {stack.bot, user, ADMIN}
    twice = {k: v for k, v in stack.eyes.by_marker().items() if len(v) > 1}
    assert not twice
    # Not even a half-made one that nobody owns.
    named = [r for r in stack.eyes.rooms_of(user)]
    assert named == [room.id]
    devices = stack.eyes.get("/devices", user_id=user)["devices"]
    assert len(devices) == 1
    assert (stack.controller.storage / "agents" / name / "SOUL.md").is_file()
    got = said(stack, event)
    assert len(got) == usual, [e["content"]["body"] for e in got]
    space = stack.eyes.by_alias("hiclaw_space")
    assert room.id in space.keys("m.space.child")


@pytest.fixture(scope="module")
def usual(stack):
    """How many messages an undisturbed run posts."""
    event = stack.admin.paste(stack.room, WORKER % "calm")
    assert stack.admin.answer(stack.room, event).state == "done"
    stack.admin.accept()
    stack.settle()
    n = len(said(stack, event))
    assert n >= 1
    check(stack, "calm", event, n)
    return n


def died_or_done(stack, event, seconds=30):
    """Exit status, or None if the run went through."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        code = stack.controller.process.poll()
        if code is not None:
            return code
        stack.admin.sync(300)
        if any(f[2].get("state") == "done"
               for f in stack.admin.forms(stack.room, event)):
            time.sleep(0.5)     # what comes after the last message
            return stack.controller.process.poll()
    return None


def test_there_are_points():
    assert len(fault_points()) >= 10, "--list-faults says too little"


def test_unknown_point_is_refused(stack):
    out = subprocess.run(
        [stacks.controller_path(), "--config", str(stack.controller.config)],
        capture_output=True, text=True, timeout=60,
        env=dict(os.environ, HICLAW_FAULT="no.such-point:1"))
    assert out.returncode != 0
    assert "no.such-point" in out.stdout + out.stderr


@pytest.mark.parametrize("number,point,times",
                         [(i, *c) for i, c in enumerate(CASES)],
                         ids=[f"{p}:{n}" for p, n in CASES])
def test_killed_at(stack, usual, number, point, times):
    name = f"w{number:02}"
    c = stack.controller
    assert c.stop() == 0
    c.start({"HICLAW_FAULT": f"{point}:{times}"}, wait=False)
    died_early = False
    try:
        c.wait()
    except AssertionError:
        died_early = c.process.poll() == -signal.SIGKILL
        assert died_early, stacks.tail(c.log)
    event = stack.admin.paste(stack.room, WORKER % name)
    if not died_early:
        code = died_or_done(stack, event)
        # A run of one worker passes some points less often.
        assert code == -signal.SIGKILL or times > 1, \
            f"{point} was never reached"
        c.stop()
    c.start()
    reply = stack.admin.answer(stack.room, event, 60)
    assert reply.state == "done", reply
    stack.admin.accept()
    stack.settle()
    eventually(lambda: (check(stack, name, event, usual), True)[1], 10, 0.5)


def test_runs_ran_once(stack, usual):
    """The answer to each paste names a run of its own."""
    runs = [c[REPLY].get("run") for _, c, _ in
            stack.admin.from_bot(stack.room)
            if (c.get(REPLY) or {}).get("state") == "done"
            and c[REPLY].get("run")]
    events = {c[REPLY]["for"]: c[REPLY]["run"] for _, c, _ in
              stack.admin.from_bot(stack.room)
              if (c.get(REPLY) or {}).get("run")}
    assert len(set(events.values())) == len(events), events
    assert runs


def test_kill_while_idle(stack):
    stack.settle()
    stack.proxy.clear()
    stack.controller.kill()
    stack.controller.start()
    stack.settle()
    names = {c.name for c in stack.proxy.writes()}
    assert names <= {"POST register", "PUT devices/D",
                     "PUT rooms/R/state/io.hiclaw.controller"}, names
