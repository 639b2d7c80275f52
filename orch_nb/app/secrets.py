"""Secrets by name: found in the environment or a 0600 file, resolved only where cells run."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from orch_nb.errors import InputError, ResultError
from orch_nb.model import FlowRunId, Json
from orch_nb.notebook.secret_text import secret_name, variable_of
from orch_nb.places import find_places
from orch_nb.results.location import Location
from orch_nb.store import Store

SHORTEST = 4  # characters: anything shorter could not be redacted without harm
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def secrets_file() -> Path:
    """The file of secrets, ``NAME=value`` a line; it may be missing."""
    return find_places().home / "secrets.env"


def find_secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """A secret's value, from the environment or else from the file of secrets.

    Raises InputError when there is none, or when others can read the file.
    """
    environ = os.environ if environ is None else environ
    value = environ.get(name)
    if value is None:
        path = secrets_file()
        if path.exists():
            _check_private(path)
            value = read_env_file(path).get(name)
    if value is None:
        raise InputError(
            f"there is no secret {name!r}",
            hint=f"set the variable {name}, or write {name}=… into {secrets_file()} (mode 0600)",
        )
    if len(value) < SHORTEST:
        raise InputError(
            f"the secret {name!r} is shorter than {SHORTEST} characters",
            hint="so short a text can't be kept out of outputs; use a longer one",
        )
    return value


def resolve_references(values: Iterable[Json]) -> dict[str, str]:
    """The secrets that parameters name, as environment variables for the cells' processes."""
    names = {name for value in values if (name := secret_name(value)) is not None}
    return {variable_of(name): find_secret(name) for name in sorted(names)}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of an env file (``NAME=value``, quotes allowed, ``#`` comments).

    Raises InputError for a file that can't be read and a line that is no assignment.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"the env file can't be read: {why}", where=str(path)) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(
                "a line of the env file is no NAME=value", where=f"{path}, line {number}"
            )
        name, value = match.groups()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found


def env_file_variables(path: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """What a deployment's env file sets, its secrets resolved; and the secrets among it."""
    if path is None:
        return {}, ()
    variables = read_env_file(Path(path))
    secrets = []
    for name, value in variables.items():
        wanted = secret_name(value)
        if wanted is not None:
            variables[name] = find_secret(wanted)
            secrets.append(variables[name])
    return variables, tuple(secrets)


def _check_private(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            "the file of secrets can be read by others",
            where=str(path),
            hint=f"chmod 600 {path}",
        )


def forget_secret_values(
    store: Store, run_id: FlowRunId, location: Location, secrets: Collection[str]
) -> int:
    """Delete the kept values of a run in which a secret stands; how many went.

    They served the run while it ran. A later resume makes them again.
    """
    if not secrets:
        return 0
    texts = [secret.encode() for secret in secrets]
    found = {
        result.digest
        for result in store.results(run_id)
        if result.digest is not None and _holds(location, result.digest, texts)
    }
    if found:
        digests = sorted(found)
        store.write(lambda t: t.forget_results(digests, "a secret stands in it"))
        for digest in digests:
            location.delete(digest)
    return len(found)


def _holds(location: Location, digest: str, texts: Collection[bytes]) -> bool:
    try:
        data = location.fetch(digest).read_bytes()
    except (ResultError, OSError):
        return False
    return any(text in data for text in texts)
