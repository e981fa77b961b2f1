"""Fixtures of the end-to-end tests: a real homeserver for each module."""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import expect  # noqa: E402
import stack as stacks  # noqa: E402


@pytest.fixture(scope="session")
def template():
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="hiclaw-template-"))
    yield stacks.make_template(tmp / "hs")
    shutil.rmtree(tmp, ignore_errors=True)


def healthy_end(s):
    """The controller ends in peace, and nothing was found on the way."""
    try:
        code = s.controller.stop()
        errors = s.controller.errors()
    finally:
        s.stop()
    assert not errors, "\n".join(errors)
    assert code in (0, None), f"exit status {code} on SIGTERM"


def running_stack(template, extra=None):
    """For a fixture to `yield from`: a stack with its admin room."""
    s = stacks.Stack(template=template, extra=extra)
    try:
        s.start()
        s.room
    except BaseException:
        print(stacks.tail(s.controller.log))
        s.stop()
        raise
    yield s
    healthy_end(s)


@pytest.fixture(scope="module")
def stack(template):
    yield from running_stack(template)


@pytest.fixture(scope="module")
def sample(stack):
    """The stack with the sample team in it."""
    stack.apply(expect.SAMPLE)
    stack.settle()
    return stack


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its controller's log."""
    report = (yield).get_result()
    s = next((v for v in item.funcargs.values()
              if isinstance(v, stacks.Stack)), None) \
        if hasattr(item, "funcargs") else None
    if report.failed and s is not None:
        report.sections.append((
            "controller log", stacks.tail(
                s.controller.log, int(os.environ.get("TAIL", "30")))))
