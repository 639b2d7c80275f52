"""Whether a kept value may be used: signature, presence and content, before it is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orch_nb.errors import ResultError
from orch_nb.results.blob import Manifest, read_blob
from orch_nb.results.location import Location
from orch_nb.results.signing import KeyRing, Signature

if TYPE_CHECKING:  # the store's records need its database
    from orch_nb.store.records import ResultRecord


def check_result(
    record: ResultRecord, keyring: KeyRing, location: Location, *, read_all: bool = True
) -> str:
    """Why a recorded result can't be used, in words; empty when it can.

    The signature comes first, so that nothing of a foreign manifest is looked at. The value is
    then fetched to this machine, where its file is checked in full; without ``read_all`` all but
    its buffers, which are only data. A local copy that is damaged is fetched once more. Nothing is
    unpickled, and nothing is raised for what is wrong with the result or the place.
    """
    if not record.kept:
        return record.reason or "its values were not kept"
    if record.manifest is None or record.digest is None:
        return "a kept value's record is damaged"
    if record.manifest.get("digest") != record.digest:
        return "a kept value's record is damaged"
    return check_value(record.manifest, signature_of(record), keyring, location, read_all=read_all)


def check_value(
    plain: Mapping[str, Any],
    signature: Signature | None,
    keyring: KeyRing,
    location: Location,
    *,
    read_all: bool = True,
) -> str:
    """Why the value of a manifest can't be used; see ``check_result``."""
    try:
        manifest = Manifest.from_json(plain)
        keyring.verify(manifest, signature)
        try:
            read_blob(location.fetch(manifest.digest), manifest, check_buffers=read_all)
        except ResultError:
            path = location.fetch(manifest.digest, anew=True)
            read_blob(path, manifest, check_buffers=read_all)
    except ResultError as error:
        return error.message
    return ""


def signature_of(record: ResultRecord) -> Signature | None:
    """The signature that a record holds, if it does."""
    if record.signature is None or record.key_id is None:
        return None
    return Signature(record.key_id, record.signature)
