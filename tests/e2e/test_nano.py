"""hiclaw-nano lives on the files that the controller generates: a real Synapse,
a real Envoy, a model of the tests behind it."""
import http.server
import importlib.util
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import client
import living as lives
import pytest
import runtimes
import stack as stacks
import talk as talks
from client import eventually, quote
from talk import question

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANSWERS, HOPS = "io.hiclaw.answers", "io.hiclaw.hops"


class Controller:
    """The one route of the controller that an agent needs."""

    def __init__(self):
        me = self
        self.beats, self.status = [], 204

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                me.beats.append((time.monotonic(), self.path,
                                 self.headers.get("Authorization")))
                self.send_response(me.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class House(lives.Living):
    """The stack, with a nano in each home that a test asks for."""

    def __init__(self, template, work):
        self.work, self.running, self.talks = work, {}, {}
        super().__init__("openclaw", template)
        self.apply(self.everybody())

    def run(self, name, **environment):
        nano = runtimes.Nano("nano", self.work, **environment)
        r = runtimes.Running(nano, self.agent(name), self.work / name)
        self.running[name] = r
        return r.start()

    def talk(self, name):
        """Somebody to talk to, awake."""
        if name not in self.talks:
            t = talks.Talk(
                self.stack.admin, self.stack.person("stranger"),
                lives.user_id(name), self.room(name),
                self.running.get(name) or self.run(name), self.model)
            t.first = t.wake(15)
            self.talks[name] = t
        self.model.act = None
        return self.talks[name]

    def stop(self):
        left = []
        try:
            for r in self.running.values():
                r.stop()
                left += r.members()
        finally:
            super().stop()
        assert not left


@pytest.fixture(scope="module")
def house(template, tmp_path_factory):
    h = House(template, tmp_path_factory.mktemp("nano"))
    yield h
    logs = {n: r.log for n, r in h.running.items()}
    wrong = [f"{n}: {x}" for n, log in logs.items()
             for x in log.read_text(errors="replace").splitlines()
             if re.search(r"Sanitizer|runtime error:|Assertion", x)]
    said = "\n".join(log.read_text(errors="replace")
                     for log in logs.values())
    secrets = [h.key("solo"), h.config("solo")["channels"]["matrix"][
        "accessToken"]]
    h.stop()
    assert not wrong, "\n".join(wrong)
    assert not any(s in said for s in secrets), "a secret is in the log"
    assert "ping-" not in said, "what people say is in the log"


@pytest.fixture
def solo(house):
    return house.talk("solo")


def events(room, who, user):
    page = who.get(f"/rooms/{quote(room)}/messages", dir="b", limit=100)
    return [e for e in page["chunk"][::-1] if e["sender"] == user
            and e["type"] == "m.room.message"]


def put(talk, content, room=None, who=None):
    who = who or talk.human
    return who.put(f"/rooms/{quote(room or talk.group)}/send/m.room.message/"
                   + talks.mark(), content)["event_id"]


def ask(talk, form="mention, id, pill"):
    """(event id of the question, mark)"""
    m = talks.mark()
    return put(talk, question(talk.user, m, form)), m


def answers(talk, question_id, room=None):
    """[(event, [edits])] that say to answer this question."""
    all_ = events(room or talk.group, talk.human, talk.user)
    out = [(e, []) for e in all_ if e["content"].get(ANSWERS) == question_id
           and "m.new_content" not in e["content"]]
    for e, edits in out:
        edits += [x for x in all_ if x["content"].get("m.relates_to", {}).get(
            "event_id") == e["event_id"] and "m.new_content" in x["content"]]
    return out


def last(answer):
    e, edits = answer
    return (edits[-1]["content"]["m.new_content"] if edits
            else e["content"])


def whole(talk, question_id, test, seconds=30, room=None):
    """The answers, once the last of them passes the test."""
    def there():
        got = answers(talk, question_id, room)
        return got if got and not last(got[-1])["body"].endswith(" …") \
            and test(last(got[-1])) else None
    return eventually(there, seconds, 0.2, "a whole answer")


def slowly(pieces, pause, begun=None, end=True):
    def act(handler, turn):
        handler.begin()
        for i, piece in enumerate(pieces):
            handler.say(piece.replace("MARK", str(turn.mark)))
            if begun and i == 0:
                begun.set()
            time.sleep(pause)
        if end:
            handler.end()
        else:
            handler.close_connection = True
        return True
    return act


class Typing:
    """Who was seen typing since then, by somebody."""

    def __init__(self, who):
        self.who = who
        self.since = who.get("/sync", timeout=0, filter=json.dumps(
            {"room": {"timeline": {"limit": 1}}}))["next_batch"]
        self.users = set()

    def look(self):
        got = self.who.get("/sync", timeout=500, since=self.since)
        self.since = got["next_batch"]
        for r in got.get("rooms", {}).get("join", {}).values():
            for e in r["ephemeral"]["events"]:
                if e["type"] == "m.typing":
                    self.users.update(e["content"]["user_ids"])
                if e["type"] == "m.receipt" and \
                        solo_receipt in json.dumps(e):
                    self.users.add("receipt")
        return self.users


solo_receipt = "@hiclaw_solo:"


# --- as all runtimes -----------------------------------------------------------


def test_asks_the_model_through_the_gateway(house, solo):
    turn = house.model.turn(solo.first)
    assert turn.consumer == "worker-solo" and turn.stream
    assert house.key("solo") in house.wire.seen


def test_reads_its_soul_and_rules(house, solo):
    prompt = house.model.turn(solo.first).prompt()
    assert prompt.index(lives.SOUL) < prompt.index(lives.AGENTS) \
        < prompt.index("# People") < prompt.index("# Tools")


def test_forms(solo):
    heard = solo.forms(runtimes.Nano.answers)
    assert [f for f in heard if heard[f]] == list(runtimes.Nano.answers)


def test_answers_who_may_ask(solo):
    took, _ = solo.ask(solo.dm, solo.human, form="nothing")
    assert took is not None, "silent in a direct chat"


def test_is_silent_to_a_stranger(house, solo):
    typing = Typing(solo.stranger)
    assert solo.stranger_heard() == []
    assert typing.look() == set()
    # What a stranger says does not reach the model either.
    m = solo.send(solo.three, solo.stranger)
    _, mine = solo.ask(solo.three, solo.human)
    turn = house.model.turn(mine)
    assert turn is not None and m not in turn.prompt()


def test_takes_changes_at_once(house, solo):
    who = [solo.stranger.me]
    house.apply(house.solo(lives.OTHER_MODEL, channelPolicy={
        "groupAllowExtra": who}))
    took, m = solo.ask(solo.three, solo.stranger)
    assert took is not None
    assert house.model.turn(m).model == lives.OTHER_MODEL
    house.apply(house.solo())
    assert solo.ask(solo.three, solo.stranger, 5)[0] is None
    old = house.key("solo")
    assert house.stack.ask("!hiclaw rotate solo", 120).state == "done"
    assert house.key("solo") != old
    assert solo.ask(solo.group, solo.human)[0] is not None
    assert house.key("solo") in house.wire.seen


# --- how it answers -------------------------------------------------------------


def test_streams_into_one_message(house, solo):
    typing = Typing(solo.human)
    house.model.act = slowly(["One. ", "Two.\n", "Three. ", "Four. ",
                              "pong-MARK"], 0.7)
    q, m = ask(solo)
    eventually(lambda: solo.user in typing.look(), 10, 0.05,
               "a typing notice")
    got = whole(solo, q, lambda c: f"pong-{m}" in c["body"])
    assert len(got) == 1
    e, edits = got[0]
    assert e["content"]["body"].endswith(" …")
    assert last(got[0])["body"] == f"One. Two.\nThree. Four. pong-{m}"
    assert 1 <= len(edits) <= 4
    times = [x["origin_server_ts"] for x in [e, *edits]]
    assert all(b - a > 500 for a, b in zip(times, times[1:-1]))


def test_a_short_answer_is_one_event(solo):
    q, m = ask(solo)
    got = whole(solo, q, lambda c: f"pong-{m}" in c["body"])
    time.sleep(1.5)
    got = answers(solo, q)
    assert len(got) == 1 and got[0][1] == []


def test_a_long_answer_goes_on(house, solo):
    text = "".join(f"line {i} of a long text\n" for i in range(1000))
    house.model.act = slowly([text, "pong-MARK"], 0)
    q, m = ask(solo)
    got = whole(solo, q, lambda c: f"pong-{m}" in c["body"])
    said = "\n".join(last(a)["body"] for a in got)
    assert len(got) == 2 and said == text + f"pong-{m}"


def test_answers_in_the_thread(solo):
    root = put(solo, {"msgtype": "m.text", "body": "a thread"})
    m = talks.mark()
    q = put(solo, {**question(solo.user, m), "m.relates_to": {
        "rel_type": "m.thread", "event_id": root}})
    got = whole(solo, q, lambda c: f"pong-{m}" in c["body"])
    relation = got[0][0]["content"]["m.relates_to"]
    assert relation["rel_type"] == "m.thread" and \
        relation["event_id"] == root


def test_no_reply_is_silence(house, solo):
    house.model.act = slowly(["NO_", "REPLY"], 0.6)
    q, m = ask(solo)
    eventually(lambda: house.model.turn(m), 10, 0.1, "the question")
    house.model.act = None
    solo.quiet(2)
    assert answers(solo, q) == []


def test_knows_what_was_said(house, solo):
    q, first = ask(solo)
    whole(solo, q, lambda c: f"pong-{first}" in c["body"])
    _, m = solo.ask(solo.group, solo.human)
    said = [(t["role"], t["content"]) for t in house.model.turn(m).messages]
    assert said[0][0] == "system" and said[-1][0] == "user"
    assert said[-1][1] == f"{solo.human.me}: {solo.user} ping-{m}"
    assert ("assistant", f"pong-{first}") in said


def test_sees_through_edits(house, solo):
    """What was edited often is one message, and hides none before it."""
    put(solo, {"msgtype": "m.text", "body": "the eldest"})
    edited = put(solo, {"msgtype": "m.text", "body": "draft"})
    for i in range(40):
        text = f"edit {i}"
        put(solo, {"msgtype": "m.text", "body": f"* {text}",
                   "m.new_content": {"msgtype": "m.text", "body": text},
                   "m.relates_to": {"rel_type": "m.replace",
                                    "event_id": edited}})
    _, m = solo.ask(solo.group, solo.human)
    said = [t["content"] for t in house.model.turn(m).messages]
    assert said[-3:-1] == [f"{solo.human.me}: the eldest",
                           f"{solo.human.me}: edit 39"]
    assert "edit 38" not in "".join(said)


def test_stop(house, solo):
    begun = threading.Event()
    house.model.act = slowly(["Let me think. "] + ["more "] * 100, 0.2, begun)
    q, _ = ask(solo)
    assert begun.wait(10)
    eventually(lambda: answers(solo, q), 10, 0.1, "a beginning")
    start = time.monotonic()
    put(solo, {"msgtype": "m.text", "body": "/stop"})
    got = whole(solo, q, lambda c: c["body"].endswith("(Stopped.)"), 10)
    assert time.monotonic() - start < 3
    assert last(got[0])["body"].startswith("Let me think.")
    house.model.act = None
    solo.quiet(2)
    assert last(answers(solo, q)[0])["body"].endswith("(Stopped.)")
    # A stranger stops nothing, and nothing to stop is said when asked to.
    q = put(solo, {"msgtype": "m.text", "body": f"{solo.user} /stop",
                   "m.mentions": {"user_ids": [solo.user]}})
    eventually(lambda: any("nothing to stop" in t for t in
                           solo.said(solo.group, solo.human)), 10, 0.2,
               "an answer to /stop")


# --- what goes wrong --------------------------------------------------------------


def status(code, times=99, **headers):
    left = [times]

    def act(handler, turn):
        if left[0] == 0:
            return False
        left[0] -= 1
        data = b'{"error":{"message":"SECRET-DETAIL"}}'
        handler.send_response(code)
        for k, v in headers.items():
            handler.send_header(k.replace("_", "-"), v)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        return True
    return act


@pytest.mark.parametrize("act, words", [
    (status(401), "does not accept my key"),
    (status(403), "does not let me use this model"),
    (status(404), "does not know the model"),
    (status(429, retry_after="1"), "too much to do"),
    (status(500), "does not answer"),
    (slowly([], 0), "empty answer"),
    (slowly(["half of "], 0.1, end=False), "half of\n\n(The answer was cut"),
])
def test_troubles_are_sentences(house, solo, act, words):
    house.model.act = act
    q, _ = ask(solo)
    got = whole(solo, q, lambda c: words in c["body"], 40)
    assert len(got) == 1
    said = last(got[0])
    assert "SECRET" not in json.dumps(said)
    if "half" not in words:
        assert said["msgtype"] == "m.notice"
    house.model.act = None
    assert solo.ask(solo.group, solo.human)[0] is not None


def test_waits_when_it_is_told_to(house, solo):
    house.model.act = status(429, times=2, Retry_After="2")
    start = time.monotonic()
    took, _ = solo.ask(solo.group, solo.human)
    assert took is not None and time.monotonic() - start >= 4


def test_a_revoked_key_is_told(house, solo):
    """The real gateway refuses it; the new one is taken without a restart."""
    house.stack.controller.stop()
    path = house.home("solo") / "openclaw.json"
    text = path.read_text()
    try:
        path.write_text(text.replace(house.key("solo"), "revoked-key"))
        q, _ = ask(solo)
        whole(solo, q, lambda c: "does not accept my key" in c["body"])
        path.write_text("{ broken")
        q, _ = ask(solo)
        whole(solo, q, lambda c: "does not accept my key" in c["body"])
    finally:
        path.write_text(text)
        house.stack.controller.start()
    assert solo.ask(solo.group, solo.human)[0] is not None


# --- stopped and killed -------------------------------------------------------------


def test_answers_what_came_while_it_was_stopped(house, solo):
    running = solo.running
    start = time.monotonic()
    os.kill(running.process.pid, signal.SIGTERM)
    running.process.wait(5)
    assert time.monotonic() - start < 1.5
    assert running.process.returncode == 0
    asked = [ask(solo) for _ in range(3)]
    put(solo, {"msgtype": "m.text", "body": "for nobody"})
    # More than one poll brings of a room at once.
    for i in range(35):
        put(solo, {"msgtype": "m.text", "body": f"noise {i}"})
    running.start()
    for q, m in asked:
        whole(solo, q, lambda c, m=m: f"pong-{m}" in c["body"])
    running.stop()
    running.start()
    solo.quiet()
    assert [len(answers(solo, q)) for q, _ in asked] == [1, 1, 1]


def test_a_flood_hides_no_question(house, solo):
    """More than it reads at once, from somebody it does not hear."""
    solo.running.stop()
    asked = [ask(solo)]
    for i in range(20):
        put(solo, {"msgtype": "m.text", "body": "flood " * 10000})
    asked.append(ask(solo))
    solo.running.start()
    for q, m in asked:
        got = whole(solo, q, lambda c, m=m: f"pong-{m}" in c["body"])
        assert len(got) == 1
    assert "asking for less" in solo.running.log.read_text()


def test_killed_in_the_middle_it_answers_once(house, solo):
    running = solo.running
    asked = []
    for n in range(6):
        begun = threading.Event()
        house.model.act = slowly(["Well, ", "now ", "then: ", "pong-MARK"],
                                 0.5, begun)
        asked.append(ask(solo))
        if n > 0:
            assert begun.wait(20)
            time.sleep(random.uniform(0, 2.5))
        running.process.kill()
        running.process.wait(10)
        running.start()
    house.model.act = None
    for q, m in asked:
        got = whole(solo, q, lambda c, m=m: f"pong-{m}" in c["body"], 60)
        assert len(got) == 1
    solo.quiet(6)
    for q, m in asked:
        got = answers(solo, q)
        assert len(got) == 1 and "…" not in last(got[0])["body"]


def test_only_one_lives_in_a_home(house, solo):
    argv, env, cwd = solo.running.runtime.command(solo.running.agent, "", 0)
    done = subprocess.run(argv, env=env, cwd=cwd, capture_output=True,
                          text=True, timeout=40)
    assert done.returncode == os.EX_TEMPFAIL, done.stderr
    assert "another one lives here" in done.stderr


# --- two of them ----------------------------------------------------------------------


def parrot():
    spec = importlib.util.spec_from_file_location(
        "parrot", ROOT / "contrib" / "parrot" / "parrot.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_leader_hands_work_on_and_both_answer(house):
    boss, mate = house.talk("boss"), house.talk("mate")
    answer = parrot().answer

    def act(handler, turn):
        handler.begin()
        for word in re.findall(r"\S+\s*", answer(turn.messages)):
            handler.say(word)
        handler.end()
        return True
    house.model.act = act
    m = talks.mark()
    content = question(boss.user, m)
    content["body"] = f"{boss.user} please ask mate to paint {m}"
    q = put(boss, content)
    got = whole(boss, q, lambda c: mate.user in c["body"])
    assert len(got) == 2
    assert last(got[0])["m.mentions"] == {}
    handed = last(got[1])
    assert got[1][1] == [], "a mention in an edit calls nobody"
    assert handed["body"] == f"{mate.user}: paint {m}"
    assert handed["m.mentions"] == {"user_ids": [mate.user]}
    assert f'href="https://matrix.to/#/{mate.user}"' in \
        handed["formatted_body"]
    assert handed[HOPS] == 1
    back = whole(mate, got[1][0]["event_id"],
                 lambda c: boss.user in c["body"])
    assert len(back) == 1
    assert last(back[0])["body"].endswith(f"You asked: paint {m}")
    assert last(back[0])["m.mentions"] == {"user_ids": [boss.user]}
    end = whole(boss, back[0][0]["event_id"],
                lambda c: "From mate I have" in c["body"])
    assert last(end[0])["m.mentions"] == {} and last(end[0])[HOPS] == 3
    house.model.act = None
    boss.quiet(3)
    assert answers(mate, end[0][0]["event_id"]) == []


def test_agents_do_not_talk_for_ever(house):
    """Two models that always call the other one."""
    boss, mate = house.talk("boss"), house.talk("mate")

    def act(handler, turn):
        me = boss.user if turn.consumer == "worker-boss" else mate.user
        handler.begin()
        handler.say(f"{mate.user if me == boss.user else boss.user}: you!")
        handler.end()
        return True
    house.model.act = act
    q, _ = ask(boss)

    def ended():
        return [t for t in boss.said(boss.group, boss.human)
                + mate.said(boss.group, boss.human)
                if "without a person" in t]
    eventually(ended, 60, 0.5, "the end of it")
    time.sleep(3)
    turns = len([t for t in house.model.turns if t.consumer])
    time.sleep(3)
    assert len(house.model.turns) == turns
    assert len(ended()) == 1
    hops = [e["content"].get(HOPS) for u in (boss.user, mate.user)
            for e in events(boss.group, boss.human, u)
            if "you!" in e["content"]["body"]]
    assert sorted(hops) == list(range(1, 9))
    house.model.act = None
    assert boss.ask(boss.group, boss.human)[0] is not None


# --- the controller, and by hand ---------------------------------------------------------


def test_tells_the_controller_that_it_is_ready(house, tmp_path):
    c, token = Controller(), tmp_path / "token"
    token.write_text("token-one\n")
    c.status = 401
    house.talk("solo")
    house.running["solo"].stop()
    try:
        r = house.run("solo", HICLAW_CONTROLLER_URL=c.url + "/",
                      HICLAW_WORKER_CR_NAME="solo",
                      HICLAW_AUTH_TOKEN_FILE=str(token))
        house.talk("solo").running = r
        eventually(lambda: c.beats, 10, 0.05, "a heartbeat")
        assert c.beats[0][1:] == ("/api/v1/workers/solo/ready",
                                  "Bearer token-one")
        token.write_text("token-two\n")
        c.status = 204
        eventually(lambda: c.beats[-1][2] == "Bearer token-two", 10, 0.1,
                   "the new token")
        n = len(c.beats)
        time.sleep(5)
        assert len(c.beats) == n, "once a minute is enough"
        text = r.log.read_text()
        assert "does not accept our token" in text and "token-" not in text
    finally:
        c.stop()


def test_a_revoked_token_is_waited_for(house):
    """Logged out from outside, it goes on with the token that it is given."""
    solo = house.talk("solo")
    old = house.config("solo")["channels"]["matrix"]["accessToken"]
    client.Api(house.stack.hs.url, old).post("/logout", {})
    q, m = ask(solo)
    got = whole(solo, q, lambda c: f"pong-{m}" in c["body"], 90)
    assert len(got) == 1
    assert house.config("solo")["channels"]["matrix"]["accessToken"] != old
    assert "/sync: the homeserver answers 401" in solo.running.log.read_text()


def program(*args, **env):
    return subprocess.run(
        [runtimes.Nano.program(), *args], capture_output=True, text=True,
        timeout=20, env={"PATH": os.environ["PATH"], **{
            k: v for k, v in os.environ.items()
            if k.endswith("SAN_OPTIONS")}, **env})


def test_check_says_what_it_would_do(house):
    home = house.home("mate")
    done = program("--check", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert lives.user_id("mate") in done.stdout
    assert "qwen3.6-plus" in done.stdout and "with a key" in done.stdout
    assert house.key("mate") not in done.stdout
    done = program("--check", "--home", "/nonexistent")
    assert done.returncode == os.EX_CONFIG and "openclaw.json" in done.stderr


def test_options():
    assert program("--version").stdout.startswith("hiclaw-nano ")
    assert "--home" in program("--help").stdout
    assert program("--what").returncode == os.EX_USAGE
    assert program("more").returncode == os.EX_USAGE


def test_waits_for_a_home(tmp_path):
    p = subprocess.Popen([runtimes.Nano.program(), "--home", tmp_path],
                         stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    p.terminate()
    assert p.wait(5) == 0
    p.stderr.close()
    assert "waiting for it" in line


def test_image(tmp_path):
    """The same program gives the same image, and what an engine asks for."""
    build = ROOT / "contrib" / "nano" / "image"
    ca = tmp_path / "ca"
    ca.write_text("certificates\n")
    one, two = (subprocess.run(
        [build, runtimes.Nano.program(), "--ca", ca], check=True,
        capture_output=True).stdout for _ in range(2))
    assert one == two
    import io
    import tarfile
    outer = tarfile.open(fileobj=io.BytesIO(one))
    manifest = json.load(outer.extractfile("manifest.json"))[0]
    version = program("--version").stdout.split()[1]
    assert manifest["RepoTags"] == ["hiclaw/nano:latest",
                                    f"hiclaw/nano:{version}"]
    config = json.load(outer.extractfile(manifest["Config"]))
    assert config["config"]["Entrypoint"] == ["/usr/bin/hiclaw-nano"]
    layer = tarfile.open(fileobj=outer.extractfile(manifest["Layers"][0]))
    assert layer.getmember("usr/bin/hiclaw-nano").mode == 0o755
    assert all(m.mtime == 0 for m in layer.getmembers())
