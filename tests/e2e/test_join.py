"""An agent that somebody else runs: a real Hermes is joined by the command that
the admin gets in a direct chat, and lives on what the controller gives it."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import living as lives
import pytest
import runtimes
import stack as stacks
import talk as talks
from client import eventually
from rest import cli_path

EVERY = 2		# seconds between reports
COMMAND = re.compile(r"hiclaw join (\S+) (\S+) --home DIR -- COMMAND")
NOBODY = "@nobody:" + stacks.DOMAIN


def post(url, path, body, token=None):
    """(status, answer)"""
    r = urllib.request.Request(url + path, json.dumps(body).encode(),
                               {"Content-Type": "application/json"})
    if token:
        r.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(r, timeout=30) as a:
            raw = a.read()
            return a.status, json.loads(raw) if raw else None
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


class Joined(runtimes.Running):
    """The runtime as a child of `hiclaw join`."""

    def __init__(self, runtime, home, work):
        super().__init__(runtime, runtimes.Agent("solo", home), work)
        self.port = stacks.free_ports(1)[0]

    def begin(self, *words):
        argv, env, _ = self.runtime.command(self.agent, self.work, self.port)
        # What the agent has of its own, hiclaw join has to give.
        env = {k: v for k, v in env.items() if k != "HOME"}
        env.update(HOME=str(self.work), HICLAW_AUTH_TOKEN="the admin's",
                   ASAN_OPTIONS="detect_leaks=0")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [cli_path(), "join", *words, "--home", str(self.agent.home),
                 "--every", str(EVERY), "--", *map(str, argv)],
                env={**env, runtimes.RUN: self.mark}, cwd=self.work,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        return self

    def child(self):
        """Process id of the runtime itself, or None."""
        for pid in self.members():
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue	# it ends just now
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == self.process.pid and state != "Z":
                return pid
        return None

    def state(self):
        return json.loads((self.agent.home / ".hiclaw-join.json")
                          .read_text())

    def environment_of(self, pid):
        raw = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        return dict(x.split("=", 1) for x in raw.decode().split("\0")
                    if "=" in x)


class House:
    """The stack, the agent elsewhere, and what the admin was told."""

    def __init__(self, template, work):
        self.work = work
        self.living = lives.Living("hermes", template)
        self.stack, self.admin = self.living.stack, self.living.stack.admin
        self.running = None

    def told(self, pattern, after=0, seconds=30):
        """What the bot says in the direct chat that matches: (room, event,
        match)."""
        def look():
            self.admin.accept()
            for room, events in list(self.admin.events.items()):
                for e in events:
                    body = e["content"].get("body") or ""
                    m = re.search(pattern, body)
                    if m and e["sender"] == self.stack.bot and \
                            e["origin_server_ts"] > after and \
                            room != self.stack.room:
                        return room, e["event_id"], m
        try:
            return eventually(look, seconds, 0.3, f"{pattern!r} in the DM")
        except AssertionError as e:
            raise AssertionError(f"{e}; said there: " + repr([
                x["content"].get("body") for room, events
                in self.admin.events.items() for x in events
                if room != self.stack.room
                and x["sender"] == self.stack.bot])) from None

    def is_redacted(self, room, event):
        e = self.admin.get(f"/rooms/{lives.client.quote(room)}/event/"
                           + lives.client.quote(event))
        return not e["content"]

    def phase(self):
        return self.stack.ask("@hiclaw describe worker solo").body

    def apply(self, **more):
        return self.living.apply(self.living.solo(
            containerManaged=False, **more))

    def stop(self):
        if self.running:
            self.running.stop()
        self.living.stop()


@pytest.fixture(scope="module")
def house(template, tmp_path_factory):
    h = House(template, tmp_path_factory.mktemp("join"))
    try:
        directory = pathlib.Path(os.environ["HICLAW_HERMES"])
        hermes = runtimes.Hermes("hermes", directory)
        h.apply()
        h.room, h.event, m = h.told(COMMAND)
        h.url, h.code = m[1], m[2]
        h.before = h.phase()
        h.running = Joined(hermes, h.work / "home", h.work / "work")
        h.running.begin(h.url, h.code)
        h.talk = talks.Talk(h.admin, h.stack.person("stranger"),
                            lives.user_id("solo"), h.living.room("solo"),
                            h.running, h.living.model)
        h.first = h.talk.wake(90)
        yield h
        errors = h.stack.controller.errors()
        assert not errors, "\n".join(errors)
    finally:
        h.stop()
        assert h.running is None or not h.running.members()


def test_waits_for_whoever_joins(house):
    assert "join command" in house.before


def test_answers_through_the_gateway(house):
    turn = house.living.model.turn(house.first)
    assert turn.consumer == "worker-solo"
    assert lives.SOUL in turn.prompt() and lives.AGENTS in turn.prompt()


def test_is_silent_to_a_stranger(house):
    assert house.talk.stranger_heard() == []


def test_its_home_is_as_declared(house):
    home, there = house.running.agent.home, house.living.home("solo")
    for path in ("SOUL.md", ".hermes/.env", "openclaw.json"):
        assert (home / path).read_bytes() == (there / path).read_bytes()
        assert (home / path).stat().st_mode & 0o777 == 0o600
    assert list((home / "skills").glob("*/SKILL.md"))
    assert home.stat().st_mode & 0o777 == 0o700


def test_its_environment_is_its_own(house):
    env = house.running.environment_of(house.running.child())
    assert env["HOME"] == str(house.running.agent.home)
    assert env["HICLAW_WORKER_NAME"] == "solo"
    assert env["HICLAW_MATRIX_URL"] == house.living.wire.url
    assert "HICLAW_AUTH_TOKEN" not in env, "that of who started it"
    token = pathlib.Path(env["HICLAW_AUTH_TOKEN_FILE"]).read_text()
    assert post(house.url, "/api/v1/workers/solo/ready", {}, token)[0] == 204


def test_is_reported_ready(house):
    eventually(lambda: "join command" not in house.phase() and
               "does not report" not in house.phase(), 20, 1, "ready")


def test_command_was_taken_back(house):
    """Used, it is no use to anybody who reads the room later."""
    eventually(lambda: house.is_redacted(house.room, house.event), 20,
               what="redaction")
    house.told(r"solo was joined from [0-9.]+, by way of 127\.0\.0\.1")


def test_code_works_once(house):
    status, answer = post(house.url, "/api/v1/join", {"code": house.code})
    assert status == 410 and "used before" in answer["message"]
    house.told(r"showed a join code of solo that was used before")
    again = subprocess.run(
        [cli_path(), "join", house.url, house.code, "--home",
         str(house.work / "thief")], capture_output=True, text=True)
    assert again.returncode == 77 and "used before" in again.stderr
    assert not (house.work / "thief" / "SOUL.md").exists()
    assert house.running.alive()


def test_guesses_are_slowed_down(house):
    answers = [post(house.url, "/api/v1/join", {"code": f"{i:032x}"})[0]
               for i in range(40)]
    assert set(answers) <= {401, 429} and answers[0] == 401


def test_only_the_agent_may_ask(house):
    time.sleep(1.1)	# of the second in which too much was guessed
    for path in ("/api/v1/home", "/api/v1/token"):
        assert post(house.url, path, {})[0] == 401
        assert post(house.url, path, {}, "nonsense")[0] in (401, 429)


def test_nothing_new_costs_nothing(house):
    state = house.running.state()
    status, answer = post(house.url, "/api/v1/home",
                          {"have": state["digest"]}, state["token"])
    assert (status, answer) == (204, None)


def test_a_changed_prompt_reaches_it_without_a_restart(house):
    child = house.running.child()
    house.apply(soul=f"You are solo. {lives.SOUL} and nougat.")
    soul = house.running.agent.home / "SOUL.md"
    eventually(lambda: "nougat" in soul.read_text(), 20, what="the new soul")
    assert house.running.child() == child


def test_a_new_allow_list_starts_it_anew(house):
    child = house.running.child()
    house.apply(channelPolicy={"groupAllowExtra": [NOBODY],
                               "dmAllowExtra": [NOBODY]})
    env = house.running.agent.home / ".hermes" / ".env"
    eventually(lambda: NOBODY in env.read_text(), 20, what="the new list")
    eventually(lambda: house.running.child() not in (None, child), 30,
               what="another start")
    house.talk.wake(60)


def test_a_rotated_key_reaches_it(house):
    old = house.living.key("solo")
    assert house.stack.ask("@hiclaw rotate solo", 90).state == "done"
    new = eventually(lambda: house.living.key("solo") != old and
                     house.living.key("solo"), 30)
    config = house.running.agent.home / ".hermes" / "config.yaml"
    eventually(lambda: new in config.read_text(), 20, what="the new key")

    def used():
        took, _ = house.talk.ask(house.talk.group, house.admin, 20)
        return took is not None and new in house.living.wire.seen
    assert house.talk.until(used, 60) is not None


def test_token_is_renewed(house):
    """As it does by itself when two thirds of the time are over."""
    state = house.running.state()
    status, answer = post(house.url, "/api/v1/token", {}, state["token"])
    assert status == 200 and answer["token"] != state["token"]
    # Both work for a while, for calls that are under way.
    for token in (answer["token"], state["token"]):
        assert post(house.url, "/api/v1/home",
                    {"have": house.running.state()["digest"]},
                    token)[0] == 204


def test_what_the_agent_wrote_is_its_own(house):
    home = house.running.agent.home
    rules = home / "AGENTS.md"
    (home / "diary.md").write_text("mine")
    rules.write_text(rules.read_text() + "\nmy own line\n")
    house.apply(agents="Remember gooseberry-rule and rhubarb.",
                channelPolicy={"groupAllowExtra": [NOBODY],
                               "dmAllowExtra": [NOBODY]})
    eventually(lambda: "rhubarb" in rules.read_text(), 20)
    assert "my own line" in rules.read_text()
    assert (home / "diary.md").read_text() == "mine"


def test_sleeps_and_wakes(house):
    """spec.state is for it as for all others."""
    assert house.stack.ask("@hiclaw sleep solo").state == "done"
    eventually(lambda: house.running.child() is None, 30, what="sleep")
    assert house.running.alive()
    assert house.stack.ask("@hiclaw wake solo").state == "done"
    house.talk.wake(60)


def test_goes_on_after_a_kill(house):
    """Without a code; and never beside the runtime of the one that died."""
    child = house.running.child()
    house.running.process.kill()
    house.running.process.wait(10)
    house.running.begin()
    eventually(lambda: house.running.child() not in (None, child), 30,
               what="a new one")
    assert child not in house.running.members()
    house.talk.wake(60)


def test_controller_away_and_back(house):
    """It lives on, and reports again."""
    house.stack.controller.kill()
    time.sleep(2 * EVERY + 1)
    assert house.running.alive()
    house.stack.controller.start()
    eventually(lambda: "answers again" in house.running.tail(200), 30)


def test_signal_and_exit_status(house, tmp_path):
    """The command's own; a home is kept by one only."""
    home = str(house.running.agent.home)
    busy = subprocess.run([cli_path(), "join", "--home", home, "--", "true"],
                          capture_output=True, text=True)
    assert busy.returncode == 73 and "another" in busy.stderr
    (tmp_path / "x").write_text("")
    full = subprocess.run([cli_path(), "join", house.url, "a" * 32, "--home",
                           str(tmp_path)], capture_output=True, text=True)
    assert full.returncode == 73 and "not empty" in full.stderr
    house.running.process.send_signal(signal.SIGTERM)
    assert house.running.process.wait(30) in (0, 1, 128 + signal.SIGTERM)
    assert not house.running.members()
    for script, status in (("exit 7", 7), ("kill -9 $$", 137)):
        done = subprocess.run([cli_path(), "join", "--home", home, "--",
                               "sh", "-c", script], timeout=60)
        assert done.returncode == status
    gone = subprocess.run([cli_path(), "join", "--home", home, "--",
                           "/no/such/program"], timeout=60)
    assert gone.returncode == 127


def test_new_code_sends_the_old_one_away(house):
    house.running.begin()
    house.talk.wake(60)
    at = time.time() * 1000
    assert house.stack.ask("@hiclaw join solo").state == "done"
    _, _, m = house.told(COMMAND, at)
    assert m[2] != house.code
    other = Joined(house.running.runtime, house.work / "other",
                   house.work / "work2")
    done = subprocess.run([cli_path(), "join", m[1], m[2], "--home",
                           str(other.agent.home)], capture_output=True,
                          text=True)
    assert done.returncode == 0 and "hiclaw join --home" in done.stdout
    assert house.running.process.wait(60) == 77
    assert not house.running.members()
    shutil.rmtree(house.running.agent.home)
    house.running, old = other, house.running
    other.begin()
    house.talk.running = other
    house.talk.wake(60)
    assert not old.members()


def test_deleted_it_ends(house):
    token = house.running.state()["token"]
    assert house.stack.ask("@hiclaw delete worker solo").state == "question"
    assert house.stack.ask("yes", 90).state == "done"
    assert post(house.url, "/api/v1/home", {}, token)[0] == 401
    assert house.running.process.wait(60) == 77
    assert not house.running.members()
