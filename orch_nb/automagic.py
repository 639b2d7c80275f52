"""Cells of one line that IPython takes for a magic, though no ``%`` stands before it."""

from __future__ import annotations

import re

# IPython's line magics and aliases, without those that a builtin of Python stands before. Asking
# IPython for them would load all that they use.
_NAMES = """
    alias alias_magic autoawait autocall automagic bookmark cat cd clear code_wrap colors
    conda config cp debug dhist dirs doctest_mode ed edit env gui hist history killbgscripts
    ldir less lf lk ll load load_ext loadpy logoff logon logstart logstate logstop ls
    lsmagic lx macro magic mamba man matplotlib micromamba mkdir more mv notebook page
    pastebin pdb pdef pdoc pfile pinfo pinfo2 pip popd pprint precision prun psearch psource
    pushd pwd pycat pylab quickref recall rehashx reload_ext rep rerun reset reset_selective
    rm rmdir run save sc set_env sx system tb time timeit unalias unload_ext uv who who_ls
    whos xdel xmode
"""
_MAGICS = frozenset(_NAMES.split())
_LINE = re.compile(r"\s*([^\W\d]\w*)(?![\w.*])\s*(.*)")


def automagic(source: str) -> str | None:
    """The cell with its ``%`` where it is ``ls scripts``, ``timeit f(x)`` and the like; None for
    any other. That the notebook's own names come before magics is for the caller to see."""
    lines = source.splitlines()
    match = _LINE.fullmatch(lines[0]) if len(lines) == 1 else None
    if match is None or match.group(1) not in _MAGICS or match.group(2).startswith(("=", ",")):
        return None
    return "%" + lines[0].lstrip()
