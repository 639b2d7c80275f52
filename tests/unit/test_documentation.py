"""The guide says what is true: its commands exist, its programs run, its pages build and link."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orch_nb.cli.__main__ import build_group

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "binder").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
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
    options = [p for p in command.params if isinstance(p, click.Option)]
    takes = {name: 0 if p.is_flag or p.count else p.nargs for p in options for name in p.opts}
    takes |= {name: 0 for p in options for name in p.secondary_opts} | {"-h": 0, "--help": 0}
    values = 0  # words that belong to the option before
    for word in words:
        option, equals, _ = word.partition("=")
        if values:
            values -= 1
        elif re.fullmatch(r"--?[a-zA-Z][\w-]*", option):
            if option not in takes:
                return f"{line}: no option {option}"
            values = 0 if equals else takes[option]
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_exists(page: Path) -> None:
    lines = list(commands_of(page.read_text(encoding="utf-8")))
    assert [said for line in lines if (said := complaint(line))] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_every_command_of_a_lesson_exists(lesson: Path) -> None:
    lines = []
    for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            shown = "\n".join(re.findall(r"^    (orch-nb .*)$", text, re.M))
            lines += [*commands_of(f"```\n{shown}\n```"), *commands_of(text)]
        else:
            lines += re.findall(r"^!(orch-nb .*)$", text, re.M)
    assert [said for line in lines if (said := complaint(line))] == []


def test_the_pages_show_commands() -> None:
    shown = [line for page in PAGES for line in commands_of(page.read_text(encoding="utf-8"))]
    assert len(shown) > 50
    assert complaint("orch-nb runn sales.ipynb") != ""
    assert complaint("orch-nb run sales.ipynb --retries 3") != ""


def test_the_guide_lists_every_lesson() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [lesson.name for lesson in LESSONS if f"`{lesson.name}`" not in text] == []


def test_the_contributors_guide_names_every_room_and_no_other() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "orch_nb").glob("*/__init__.py")}
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []
    paths = re.findall(r"`((?:orch_nb|tests|labextension)/[\w./-]+)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_reference_lists_every_variable() -> None:
    page = (ROOT / "docs" / "reference" / "variables.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "orch_nb").rglob("*.py")]
    known = {name for source in sources for name in re.findall(r"ORCH_NB_[A-Z_]*[A-Z]", source)}
    assert {"ORCH_NB_HOME", "ORCH_NB_WARM"} <= known
    assert sorted(name for name in known if name not in page) == []
    listed = set(re.findall(r"^\| `(ORCH_NB_[A-Z_]+)`", page, re.M))
    assert listed <= known
