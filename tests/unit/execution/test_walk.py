"""What a watch sees of objects of which no change is expected."""

from __future__ import annotations

import argparse

from orch_nb.execution.walk import Index, Watch


def test_a_library_s_object_is_seen_to_change() -> None:
    inner = argparse.Namespace(start=None)
    namespace = {"result": argparse.Namespace(data=inner), "other": argparse.Namespace(n=1)}
    index = Index(namespace, namespace)
    watch = Watch((), index, namespace)
    assert watch.changed() == []
    inner.start = 3  # as a method does of which it is known that it changes nothing
    assert [obj for obj, _ in watch.changed()] == [inner]
    assert index.names_of(inner) == ["result"]
