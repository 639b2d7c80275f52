"""The guide says what is true: its commands exist, its programs run, its pages build and link."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orch_nb.cli.__main__ import build_group

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "binder" / "lite" / "README.md"]
LESSONS = sorted((ROOT / "example_notebooks").glob("*.ipynb"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`(orch-nb [^`\n]+)`")
_SHELL_END = {"&&", "|", "||", ";", ">", "&"}


def commands_of(text: str) -> Iterator[str]:
    """Every `orch-nb …` that a page shows, on one line each."""
    for language, body in _BLOCK.findall(text):
        if language in ("", "bash", "sh"):
            for line in body.replace("\\\n", " ").splitlines():
                if line.strip().removeprefix("$ ").startswith("orch-nb "):
                    yield line.strip().removeprefix("$ ")
    yield from _INLINE.findall(_BLOCK.sub("", text))


def complaint(line: str) -> str:
    """What is wrong with a command line; "" when its command and options exist."""
    try:
        words = shlex.split(line.replace("…", ""), comments=True)[1:]
    except ValueError as error:
        return f"{line}: {error}"
    stop = next((place for place, word in enumerate(words) if word in _SHELL_END), len(words))
    words = words[:stop]
    command: click.Command = build_group()
    context = click.Context(command, info_name="orch-nb")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"{line}: no command {words[0]}"
        command, words = found, words[1:]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    known |= {"-h", "--help"}
    for word in words:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-zA-Z][\w-]*", option) and option not in known:
            return f"{line}: no option {option}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_exists(page: Path) -> None:
    lines = list(commands_of(page.read_text(encoding="utf-8")))
    assert [said for line in lines if (said := complaint(line))] == []


def test_the_pages_show_commands() -> None:
    shown = [line for page in PAGES for line in commands_of(page.read_text(encoding="utf-8"))]
    assert len(shown) > 50
    assert complaint("orch-nb runn sales.ipynb") != ""
    assert complaint("orch-nb run sales.ipynb --retries 3") != ""


def test_the_guide_lists_every_lesson() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [lesson.name for lesson in LESSONS if f"`{lesson.name}`" not in text] == []
