"""What transformed cells call; see the transformer."""

from __future__ import annotations

from orch_nb.errors import OptionError
from orch_nb.first_line import SUBCOMMANDS
from orch_nb.magics.session import KernelSession, current_session


def complain(word: str, text: str) -> None:
    """Say what is wrong with a %%task or %%setup line. Raises OptionError."""
    from orch_nb.option_text import parse_line
    from orch_nb.options import TaskOptions

    where = where_now(current_session(), text)
    if word == "setup":
        raise OptionError(
            f"setup takes no name or options, but {text.strip()[:40]!r} follows it",
            where=where,
            hint="write %%setup alone on its line",
        )
    parse_line(text, TaskOptions, where=where)


def note_deferred(text: str) -> None:
    """Say that a task waits for its flow; the recorder notes the cell."""
    from orch_nb.option_text import parse_line
    from orch_nb.options import TaskOptions

    session = current_session()
    name, _ = parse_line(text, TaskOptions, where=where_now(session, text))
    print(f"{name or 'the task'} waits for %%flow (OrchNb.tasks is 'defer')")


def each(text: str, body: str) -> None:
    """Run a task's cell once for each item, one after the other, and gather what it binds."""
    from orch_nb.magics.looping import run_for_each
    from orch_nb.option_text import parse_line
    from orch_nb.options import TaskOptions

    __tracebackhide__ = True  # what fails is the cell
    _, options = parse_line(text, TaskOptions)
    run_for_each(current_session().shell, options.each or "", body)


def refuse_body(text: str) -> None:
    """A flow with a body that is run by other code, and is no cell. Raises OptionError."""
    raise OptionError(
        "%%flow with a body is a cell of its own",
        where=where_now(current_session(), text),
        hint="make %%flow the first line of a cell, and run that cell",
    )


async def flow(text: str, subcommand: str) -> None:
    """Run a flow, or go on with a run, while the kernel's loop stays free."""
    from orch_nb.magics import flows

    session = current_session()
    await flows.run(session, text, subcommand, where_now(session, text))


def flow_blocking(text: str, subcommand: str) -> None:
    """As ``flow``, where nothing can be awaited: the kernel is busy meanwhile."""
    from orch_nb.magics import flows

    session = current_session()
    flows.run_blocking(session, text, subcommand, where_now(session, text))


def ask(text: str) -> None:
    """A `%flow` subcommand that only looks, or acts at once."""
    from orch_nb.magics import subcommands

    words = text.split()
    if words[0] not in SUBCOMMANDS:
        raise OptionError(f"%flow has no subcommand {words[0]!r}", hint="%flow? lists them")
    session = current_session()
    subcommands.answer(session, words[0], text.strip().partition(words[0])[2].strip())


def where_now(session: KernelSession, text: str) -> str:
    """How messages name the cell that runs: by its prompt, and the name on its line."""
    words = text.split()
    name = f" '{words[0]}'" if words and not words[0].startswith("-") else ""
    number = session.next_number - 1 if session.cell is None else session.cell.number
    return f"cell {number}{name}"
