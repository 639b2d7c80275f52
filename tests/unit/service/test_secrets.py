"""Secrets are found, refused when badly kept, and redacted however they are spelled."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.app.secrets import env_file_variables, find_secret, read_env_file, secrets_file
from orch_nb.errors import InputError
from orch_nb.execution.job import Outcome
from orch_nb.runners.base import Done, Said
from orch_nb.runners.redacting import Redactor


def test_a_secret_comes_from_the_environment_or_a_private_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="there is no secret 'TOKEN'"):
        find_secret("TOKEN")
    path = secrets_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("TOKEN='from the file'\n# a comment\nexport OTHER=123456\n")
    path.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        find_secret("TOKEN")
    path.chmod(0o600)
    assert (find_secret("TOKEN"), find_secret("OTHER")) == ("from the file", "123456")
    monkeypatch.setenv("TOKEN", "from the environment")
    assert find_secret("TOKEN") == "from the environment"
    monkeypatch.setenv("TOKEN", "abc")
    with pytest.raises(InputError, match="shorter than 4"):
        find_secret("TOKEN")


def test_an_env_file_may_name_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush-hush")
    path = tmp_path / "vars.env"
    path.write_text("REGION=EU\nPASSWORD=secret:TOKEN\n")
    assert env_file_variables(str(path)) == (
        {"REGION": "EU", "PASSWORD": "hush-hush"},
        ("hush-hush",),
    )
    path.write_text("this is no assignment\n")
    with pytest.raises(InputError, match=r"vars\.env, line 1"):
        read_env_file(path)


@given(
    secret=st.text(min_size=4, max_size=30).filter(
        lambda text: text.isprintable() and "*" not in text
    ),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_spelling_of_a_secret_is_left(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    spellings = (
        secret,
        repr(secret),
        json.dumps(secret),
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
    )
    for spelling in spellings:
        outcome = Outcome(
            1, 1, outputs=({"output_type": "stream", "text": before + spelling + after},)
        )
        found = redactor.value(Done(outcome))
        assert spelling not in found.outcome.outputs[0]["text"]
    said = redactor.value(Said(1, 20, "log", f"using {secret}", 0.0))
    assert (said.text, said.level) == ("using ***", 20)


def test_what_holds_no_secret_stays_the_same_object_s_equal() -> None:
    outcome = Outcome(3, 1, outputs=({"output_type": "stream", "text": "plain"},), seconds=1.5)
    assert Redactor(["hush-hush"]).value(Done(outcome)) == Done(outcome)
