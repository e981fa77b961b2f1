"""A real agent runtime lives on the files that the controller generates: Hermes,
the smallest.  The others are for tests/interop/run."""
import os
import pathlib

import living as lives
import model as models
import pytest
import runtimes
import talk as talks


@pytest.fixture(scope="module")
def solo(template, tmp_path_factory):
    """Somebody to talk to: a worker that runs, and the stack around it."""
    directory = pathlib.Path(os.environ["HICLAW_HERMES"])
    hermes = runtimes.Hermes("hermes", directory)
    living = lives.Living("hermes", template)
    running = None
    try:
        living.apply(living.solo())
        running = runtimes.Running(hermes, living.agent("solo"),
                                   tmp_path_factory.mktemp("hermes"))
        stack = living.stack
        talk = talks.Talk(stack.admin, stack.person("stranger"),
                          lives.user_id("solo"), living.room("solo"),
                          running, living.model)
        talk.living = living
        running.start()
        talk.first = talk.wake(hermes.joins_within)
        yield talk
        errors = stack.controller.errors()
        assert not errors, "\n".join(errors)
    finally:
        if running:
            running.stop()
            assert not running.members()
        living.stop()


def test_asks_the_model_through_the_gateway(solo):
    turn = solo.model.turn(solo.first)
    assert turn.consumer == "worker-solo"
    assert turn.key == models.KEY, "the agent's key went through"
    assert solo.living.key("solo") in solo.living.wire.seen
    assert models.KEY not in solo.living.wire.seen


def test_reads_its_soul_and_rules(solo):
    prompt = solo.model.turn(solo.first).prompt()
    assert lives.SOUL in prompt and lives.AGENTS in prompt


def test_answers_who_may_ask(solo):
    took, _ = solo.ask(solo.group, solo.human)
    assert took is not None, "silent in its room"
    took, _ = solo.ask(solo.dm, solo.human, form="nothing")
    assert took is not None, "silent in a direct chat"


def test_is_silent_to_a_stranger(solo):
    assert solo.stranger_heard() == []


def test_its_home_is_left_in_peace(solo):
    """What Hermes writes there is no drift."""
    before = solo.living.versions("solo")
    assert ".hermes/config.yaml" in before
    solo.quiet(6)
    after = solo.living.versions("solo")
    assert {n: after.get(n) for n in before} == before


def test_takes_another_model_at_once(solo):
    solo.living.apply(solo.living.solo(lives.OTHER_MODEL))

    def other_model():
        took, m = solo.ask(solo.group, solo.human, 20)
        return took is not None and \
            solo.model.turn(m).model == lives.OTHER_MODEL
    assert solo.until(other_model, 30) is not None
