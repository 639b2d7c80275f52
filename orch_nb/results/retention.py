"""Which blobs go when the results outgrow their cap: the least recently used first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from orch_nb.results.location import KeptBlob


def choose_evictions(
    blobs: Iterable[KeptBlob],
    last_uses: Mapping[str, float],
    cap: int,
    pinned: Collection[str] = (),
) -> list[KeptBlob]:
    """The blobs to delete, in order, so that the rest has at most ``cap`` bytes.

    A blob's last use is the later of when it was written and ``last_uses`` (both in seconds
    since 1970, by digest). Those ``pinned`` (digests of runs that may still need them) stay,
    even when the cap can't be met then.
    """
    found = list(blobs)
    excess = sum(blob.size for blob in found) - cap
    chosen = []
    for blob in sorted(
        found, key=lambda b: (max(b.modified, last_uses.get(b.digest, 0)), b.digest)
    ):
        if excess <= 0:
            break
        if blob.digest in pinned:
            continue
        chosen.append(blob)
        excess -= blob.size
    return chosen
