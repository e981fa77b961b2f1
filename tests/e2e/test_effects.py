"""What a change of each field of a Worker does to its container: nothing, new
files under it, a new start, or a new container.  The container's id and the time
of its start are the proof."""
import json
import os

import fleet as fleets
import pytest
from client import eventually
from fleet import IMAGE, document

SPEC = {"model": "parrot", "soul": "First.", "agents": "First rule.",
        "labels": {"a": "1"}, "env": {"A": "1"}}
OTHER_IMAGE = "hiclaw/other:latest"

# field: (new value, what it does).  "restart" is what a runtime needs that reads
# a file only as it starts: Hermes, for one, its allow list.
FIELDS = {
    "soul": ("Second.", "files"),
    "agents": ("Second rule.", "files"),
    "identity": ("Name: Dan", "files"),
    "skills": (["github-operations"], "files"),
    "mcpServers": ([{"name": "x", "url": "http://127.0.0.1:1/mcp"}], "files"),
    "model": ("qwen3.6-plus", "files"),
    "channelPolicy": ({"groupAllowExtra": ["@x:example.org"]}, "files"),
    "accessEntries": ([{"service": "ai-gateway",
                        "scope": {"providers": ["parrot"]}}], "nothing"),
    "expose": ([{"port": 8080}], "recreate"),
    "image": (OTHER_IMAGE, "recreate"),
    "env": ({"A": "2"}, "recreate"),
    "labels": ({"a": "2"}, "recreate"),
    "resources": ({"memory": "96Mi"}, "recreate"),
    "runtime": ("copaw", "recreate"),
    "state": ("Sleeping", "stop"),
    "containerManaged": (False, "gone"),
}
# No change of a Worker that runs: never once set, or for another test.
LEFT_OUT = {"workerName": "cannot change", "package": "seeds files",
            "remoteSkills": "needs a registry"}


@pytest.fixture(scope="module")
def fleet(template):
    f = fleets.Fleet(template)
    try:
        f.engine.podman("tag", IMAGE, OTHER_IMAGE)
        assert f.apply(document("Worker", "dan", SPEC)).state == "done"
        yield f
        errors = f.stack.controller.errors()
        assert not errors, "\n".join(errors)
    finally:
        f.stop()


def homes(fleet):
    """Contents of what the agent's runtime reads."""
    home = fleet.stack.controller.storage / "agents" / "dan"
    return {str(p.relative_to(home)): p.read_bytes()
            for p in home.rglob("*") if p.is_file()
            and p.suffix in (".md", ".json", ".yaml")
            and not p.name.startswith(".")}


def change(fleet, field, value):
    """Set one field, with all others as at first; back to that at the end."""
    spec = dict(SPEC, **{field: value})
    return fleet.apply(document("Worker", "dan", spec))


def effect(fleet, before, files):
    """What happened since."""
    now = fleet.life("dan")
    if now[0] is None:
        return "gone"
    if now[0] != before[0]:
        return "recreate"
    if not fleet.running("dan"):
        return "stop"
    if now[1] != before[1]:
        return "restart"
    return "files" if homes(fleet) != files else "nothing"


@pytest.mark.parametrize("field", FIELDS)
def test_effect(fleet, field):
    value, expected = FIELDS[field]
    before, files = fleet.life("dan"), homes(fleet)
    reply = change(fleet, field, value)
    assert reply.state == "done", reply
    try:
        assert effect(fleet, before, files) == expected
        if expected not in ("stop", "gone"):
            assert fleet.running("dan")
    finally:
        assert fleet.apply(document("Worker", "dan", SPEC)).state == "done"
    eventually(lambda: fleet.running("dan"), 30, what="it runs again")


def test_every_field_is_here():
    """A new field has to say what it does."""
    out = os.popen(f"{fleets.stacks.controller_path()} --print-schema").read()
    schema = json.loads(out)

    def spec_of(node):
        if isinstance(node, dict):
            if "workerName" in node and "containerManaged" in node:
                return node
            for v in node.values():
                found = spec_of(v)
                if found:
                    return found
        if isinstance(node, list):
            for v in node:
                found = spec_of(v)
                if found:
                    return found
        return None
    assert set(spec_of(schema)) == set(FIELDS) | set(LEFT_OUT)


def test_description_of_a_team(fleet):
    """Words about a team restart nobody."""
    team = {"description": "One.", "leader": {"name": "lead",
                                              "runtime": "openclaw",
                                              "model": "parrot"},
            "workers": [{"name": "wendy", "model": "parrot"}]}
    assert fleet.apply(document("Team", "crew", team)).state == "done"
    before = fleet.life("lead"), fleet.life("wendy")
    assert fleet.apply(document("Team", "crew", dict(
        team, description="Another."))).state == "done"
    assert (fleet.life("lead"), fleet.life("wendy")) == before


def test_a_new_colleague_restarts_nobody(fleet):
    team = {"description": "One.", "leader": {"name": "lead",
                                              "runtime": "openclaw",
                                              "model": "parrot"},
            "workers": [{"name": "wendy", "model": "parrot"}]}
    fleet.apply(document("Team", "crew", team))
    before = fleet.life("lead"), fleet.life("wendy")
    more = dict(team, workers=team["workers"] + [{"name": "will",
                                                  "model": "parrot"}])
    assert fleet.apply(document("Team", "crew", more)).state == "done"
    assert fleet.running("will")
    assert (fleet.life("lead"), fleet.life("wendy")) == before


def test_what_is_read_only_at_the_start(fleet):
    """Hermes reads its allow list as it starts: a new one starts it anew, in the
    same container; another model does not."""
    spec = {"model": "parrot", "runtime": "hermes"}
    assert fleet.apply(document("Worker", "herm", spec)).state == "done"
    before = fleet.life("herm")
    assert fleet.apply(document("Worker", "herm", dict(
        spec, model="qwen3.6-plus"))).state == "done"
    assert fleet.life("herm") == before
    assert fleet.apply(document("Worker", "herm", dict(
        spec, model="qwen3.6-plus", channelPolicy={
            "groupAllowExtra": ["@x:example.org"],
            "dmAllowExtra": ["@x:example.org"]}))).state == "done"
    eventually(lambda: fleet.life("herm")[1] != before[1], 30,
               what="it starts anew")
    assert fleet.life("herm")[0] == before[0]
