"""The short forms on a real homeserver: a line prints the YAML that it stands for,
goes the way of every manifest, and what it prints is what is declared."""
import html
import json
import re

import pytest
from client import REPLY, eventually
from conftest import running_stack
from stack import DOMAIN

TEAM = """
apiVersion: hiclaw.io/v1beta1
kind: Team
metadata: {name: web, labels: {app: shop}}
spec:
  leader: {name: lea, model: small}
  workers:
  - {name: wim, model: small}
"""


@pytest.fixture(scope="module")
def house(template):
    for s in running_stack(template):
        s.apply(TEAM)
        s.settle()
        yield s


def fence(content):
    """The block of a message, as a client copies it."""
    found = re.search(r"<pre><code[^>]*>(.*?)</code>",
                      content["formatted_body"], re.S)
    return html.unescape(found[1])


def block(reply):
    return fence(reply.forms[-1][1])


def printed(house, line, state="done"):
    """The YAML that was said because of this line, and the answer to it."""
    known = {e["event_id"] for e, _, _ in house.admin.from_bot(house.room)}
    reply = house.ask("@hiclaw " + line)
    assert reply.state == state, reply
    news = [c for e, c, is_edit in house.admin.from_bot(house.room)
            if e["event_id"] not in known and not is_edit]
    yaml = [c for c in news if c["body"].startswith("In YAML:")]
    assert len(yaml) == 1 and REPLY not in yaml[0], news
    return fence(yaml[0]), reply


def with_fence(house, line, yaml):
    return house.ask(f"@hiclaw {line}\n```yaml\n{yaml.strip()}\n```")


def spec(house, what):
    return block(house.ask(f"@hiclaw get {what} -o yaml"))


def test_template_lint_apply(house):
    yaml = block(house.ask("@hiclaw template worker tess"))
    got = with_fence(house, "lint", yaml)
    assert got.state == "done" and "without a fault" in got.body, got
    assert house.ask("@hiclaw get worker tess").state == "refused"
    got = with_fence(house, "lint", yaml.replace("model:", "modle:"))
    assert got.state == "refused" and 'did you mean "model"' in got.body, got
    house.apply(yaml)
    house.settle()
    assert house.eyes.resolve("hiclaw_worker_tess")


def test_create(house):
    yaml, _ = printed(house, "create worker bob model=small "
                      "env.TZ=Europe/Berlin env.A = b")
    assert "  model: small\n" in yaml and "kind: Worker" in yaml, yaml
    house.settle()
    assert house.eyes.resolve("hiclaw_worker_bob")
    # What was printed is what is declared now.
    again = house.admin.ask(house.room, f"```yaml\n{yaml.strip()}\n```")
    assert again.state == "done" and "Nothing to do" in again.body, again
    got = house.ask("@hiclaw create worker bob model=x")
    assert got.state == "refused" and "already" in got.body, got


def test_set_and_label(house):
    yaml, _ = printed(house, "set worker bob model=big env.TZ=")
    assert "  model: big\n" in yaml and "TZ" not in yaml, yaml
    yaml, _ = printed(house, "label worker bob tier=front")
    assert "tier: front" in yaml, yaml
    assert "bob" in house.ask("@hiclaw get worker -l tier=front").body
    # As a phone sends it.
    yaml, _ = printed(house, "Set worker bob model = \u201csmall\u201d")
    assert "  model: small\n" in yaml, yaml
    assert "model: small" in spec(house, "worker bob")


def test_scale(house):
    yaml, _ = printed(house, "scale web 3")
    assert "name: wim-3" in yaml, yaml
    house.settle()
    assert house.eyes.resolve("hiclaw_worker_wim-3")
    # Fewer deletes agents: that is asked, as by every manifest.
    yaml, reply = printed(house, "scale web 1", "question")
    assert "wim-2" not in yaml and "wim-3" in reply.body, reply
    got = house.ask("no")
    assert got.state == "refused", got
    assert "wim-3" in spec(house, "team web")
    event = house.admin.send(house.room, "@hiclaw scale web 1")
    assert house.admin.answer(house.room, event).state == "question"
    house.admin.send(house.room, "yes")
    house.admin.wait_for(
        house.room, lambda e: "receipt" in str(e["content"]) and
        "scale" in e["content"].get("body", "") and
        "wim-3" in json.dumps(e["content"]), 30, "the receipt")
    house.settle()
    assert "wim-2" not in spec(house, "team web")


def test_tiers(house):
    """Nobody says in short what they may not say at length."""
    tom = house.new_person("tom")
    house.ask("@hiclaw create human tom permissionLevel=3 "
              f'matrixUserId="@tom:{DOMAIN}" accessibleWorkers=wim')
    house.settle()
    tom.accept()
    dm = tom.post("/createRoom", {"preset": "trusted_private_chat",
                                  "is_direct": True,
                                  "invite": [house.bot]})["room_id"]
    assert tom.ask(dm, "set worker wim model=big").state == "refused"
    # That is said once; more is not answered, and not done.
    tom.send(dm, "scale web 5")
    assert tom.ask(dm, "template worker").state == "info"
    assert spec(house, "team web").count("name: wim") == 1
    assert "model: big" not in spec(house, "team web")


def test_export(house):
    """The file of all that there is changes nothing when it is pasted."""
    house.ask("@hiclaw export")

    def files():
        house.admin.sync()
        return [c for _, c, _ in house.admin.from_bot(house.room)
                if c.get("filename") == "hiclaw.yaml"]
    url = eventually(files, 20, what="the file")[0]["url"]
    server, media = url[len("mxc://"):].split("/")
    _, _, raw = house.admin.raw(
        "GET", f"/_matrix/client/v1/media/download/{server}/{media}")
    text = raw.decode()
    for name in ("web", "tess", "bob", "tom"):
        assert f"name: {name}\n" in text, text
    event = house.admin.attach(house.room, raw)
    got = house.admin.answer(house.room, house.admin.send(house.room, {
        "msgtype": "m.text", "body": "@hiclaw apply", "m.relates_to": {
            "m.in_reply_to": {"event_id": event}}}))
    assert got.state == "done" and "Nothing to do" in got.body, got
