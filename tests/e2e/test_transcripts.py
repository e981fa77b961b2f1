"""Transcripts on a real homeserver; all of them are played on the simulated one by
make check."""
import os
import pathlib
import subprocess

import pytest
import stack as stacks
from stack import DOMAIN, ROOT

DIR = pathlib.Path(ROOT) / "tests" / "transcripts"
FAST = ["02-lead-asks", "04-a-mistake-undone", "06-two-have-to-agree"]


@pytest.mark.parametrize("name", FAST)
def test_real(template, name):
    s = stacks.Stack(template=template, watched=False)
    try:
        hiclaw = pathlib.Path(stacks.controller_path()).with_name("hiclaw")
        got = subprocess.run(
            [hiclaw, "transcript", "run",
             "-s", f"chat.commands={ROOT}/commands",
             "-s", f"chat.templates={ROOT}/templates",
             "--controller", stacks.controller_path(),
             "--homeserver", s.hs.url, "--domain", DOMAIN,
             "--registration", s.registration,
             "--shared-secret", s.hs.shared_secret,
             DIR / f"{name}.txt"], capture_output=True, text=True,
            timeout=180, env=dict(os.environ), check=False)
        assert got.returncode == 0, got.stdout + got.stderr
    finally:
        s.stop()
