"""Digests of values of NumPy, pandas, Arrow, polars, PyTorch and Matplotlib, by what they hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

from orch_nb.execution.anatomy_arrays import owner_of
from orch_nb.execution.digests import hash_parts, type_name
from orch_nb.execution.identity import identity

_X87 = 63  # bits of the mantissa of a long double that has 80 bits in 128


class Printer(Protocol):
    """What digests the parts of a value; ``owners`` are arrays whose memory it shows, by their
    identities."""

    owners: dict[int, Any]

    def feed(self, value: Any, depth: int = 0) -> bytes:
        """The digest of a part."""


def _numpy(printer: Printer, value: Any, depth: int) -> bytes | None:
    import numpy as np

    if isinstance(value, np.ndarray):
        head = hash_parts(type_name(type(value)), repr((value.dtype.str, value.shape)).encode())
        owner = owner_of(value)
        printer.owners[identity(owner)] = owner
        if value.dtype.hasobject:
            return hash_parts(head, printer.feed(value.tolist(), depth))
        if isinstance(value, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(value)
            return hash_parts(head, printer.feed(value.filled(), depth), bytes(mask.tobytes()))
        if value.dtype.names:  # there may be anything between the fields
            fields = [printer.feed(value[name], depth) for name in value.dtype.names]
            return hash_parts(head, repr(value.dtype.descr).encode(), *fields)
        return hash_parts(head, _elements(value))
    if isinstance(value, np.generic):
        return hash_parts(type_name(type(value)), repr(value).encode())
    if isinstance(value, np.dtype):
        return hash_parts(b"dtype", repr(value).encode())
    if isinstance(value, np.random.RandomState):
        return hash_parts(b"random", printer.feed(value.get_state(legacy=False), depth))
    if isinstance(value, np.random.BitGenerator):
        return hash_parts(b"random", printer.feed(value.state, depth))
    if isinstance(value, np.random.Generator):
        return hash_parts(b"random", printer.feed(value.bit_generator, depth))
    if isinstance(value, np.ufunc):
        return hash_parts(b"ufunc", value.__name__.encode())
    return None


def _elements(value: Any) -> memoryview | bytes:
    """The bytes of an array's elements in order, every NaN alike."""
    import numpy as np

    if not value.size:
        return b""
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.dtype.kind in "fc" and np.isnan(flat).any():
        flat = np.where(np.isnan(flat), np.nan, flat)
    if flat.dtype.char in "gG" and np.finfo(flat.dtype).nmant == _X87:
        wide = flat.view(np.uint8).reshape(-1, flat.real.dtype.itemsize)
        return wide[:, :10].tobytes()  # the rest of each number is not set
    return flat.view(np.uint8).data


def _pandas(printer: Printer, value: Any, depth: int) -> bytes | None:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        parts = [printer.feed(value.index, depth), printer.feed(value.columns, depth)]
        parts += [_array(printer, value.iloc[:, i].array, depth) for i in range(value.shape[1])]
        return hash_parts(type_name(type(value)), *parts, printer.feed(dict(value.attrs), depth))
    if isinstance(value, pd.Series):
        parts = [printer.feed(value.index, depth), _array(printer, value.array, depth)]
        return hash_parts(type_name(type(value)), *parts, printer.feed(value.name, depth))
    if isinstance(value, pd.MultiIndex):
        levels = [value.get_level_values(i) for i in range(value.nlevels)]
        return hash_parts(b"multi", *(printer.feed(level, depth) for level in levels))
    if isinstance(value, pd.Index):
        parts = [_array(printer, value.array, depth), printer.feed(value.name, depth)]
        return hash_parts(type_name(type(value)), *parts)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _array(printer, value, depth)
    if isinstance(value, (pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval)):
        return hash_parts(type_name(type(value)), repr(value).encode())
    if isinstance(value, (type(pd.NaT), type(pd.NA))):
        return hash_parts(repr(value).encode())
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return hash_parts(b"dtype", repr(value).encode())
    return None


def _array(printer: Printer, array: Any, depth: int) -> bytes:
    import numpy as np
    import pandas as pd

    dtype = repr(array.dtype).encode()
    if hasattr(array, "_pa_array"):
        return hash_parts(dtype, printer.feed(array._pa_array, depth))
    if isinstance(array, pd.Categorical):
        parts = printer.feed(array.codes, depth), printer.feed(array.categories, depth)
        return hash_parts(dtype, *parts)
    values = np.asarray(array)
    if values.dtype.kind == "M" or values.dtype.kind == "m":
        values = values.view("i8")
    return hash_parts(dtype, printer.feed(values, depth))


def _arrow(printer: Printer, value: Any, depth: int) -> bytes | None:
    import pyarrow as pa

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        columns = [_arrow_column(printer, column, depth) for column in value.columns]
        schema = value.schema.to_string(show_schema_metadata=True, truncate_metadata=False)
        return hash_parts(b"arrow", schema.encode(), *columns)
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return _arrow_column(printer, value, depth)
    if isinstance(value, (pa.Schema, pa.DataType, pa.Field)):
        return hash_parts(b"arrow type", str(value).encode())
    if isinstance(value, pa.Scalar):
        return hash_parts(
            b"arrow scalar", str(value.type).encode(), printer.feed(value.as_py(), depth)
        )
    return None


def _arrow_column(printer: Printer, column: Any, depth: int) -> bytes:
    """The elements of an Arrow array, whatever its chunks, and whatever lies below its nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    head = hash_parts(b"arrow", str(kind).encode())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of none, or too long for one
            return hash_parts(
                head, *(_arrow_column(printer, chunk, depth) for chunk in column.chunks)
            )
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    if numbers and not pa.types.is_interval(kind):
        nulls = b""
        if column.null_count:
            nulls = bytes(pc.is_null(column).to_numpy(zero_copy_only=False).tobytes())
            column = pc.fill_null(column, pa.scalar(0, pa.int64()).cast(kind, safe=False))
        return hash_parts(head, nulls, _elements(column.to_numpy(zero_copy_only=False)))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False)
        joined = pc.binary_join(
            pa.LargeListArray.from_arrays(
                [0, len(column)], pc.fill_null(column.cast(pa.large_string()), "")
            ),
            pa.scalar("", pa.large_string()),
        )
        return hash_parts(head, _elements(lengths), memoryview(joined[0].as_buffer()))
    return hash_parts(head, printer.feed(column.to_pylist(), depth))


def _polars(printer: Printer, value: Any, depth: int) -> bytes | None:
    import polars as pl

    if isinstance(value, pl.DataFrame):
        return hash_parts(b"polars", printer.feed(value.to_arrow(), depth))
    if isinstance(value, pl.Series):
        name = value.name.encode()
        return hash_parts(b"polars", name, printer.feed(value.to_arrow(), depth))
    if isinstance(value, pl.DataType) or (
        isinstance(value, type) and issubclass(value, pl.DataType)
    ):
        return hash_parts(b"polars type", repr(value).encode())
    return None


def _torch(printer: Printer, value: Any, depth: int) -> bytes | None:
    torch: Any = sys.modules["torch"]
    if type(value) in (torch.Tensor, torch.nn.Parameter) and value.device.type == "cpu":
        head = repr((str(value.dtype), tuple(value.shape), value.requires_grad)).encode()
        plain = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return hash_parts(b"torch", type_name(type(value)), head, printer.feed(plain, depth))
    return None


def _matplotlib(printer: Printer, value: Any, depth: int) -> bytes | None:
    """A figure is what it looks like; an artist its kind in its figure."""
    from matplotlib.artist import Artist
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if isinstance(value, Figure):
        kept = value.canvas
        try:
            canvas = FigureCanvasAgg(value)
            canvas.draw()
            pixels = memoryview(canvas.buffer_rgba()).tobytes()
        finally:
            value.set_canvas(kept)
        return hash_parts(b"figure", pixels)
    if isinstance(value, Artist):
        figure = value.get_figure()
        shown = b"" if figure is None else printer.feed(figure, depth)
        return hash_parts(type_name(type(value)), shown)
    return None


LIBRARIES: dict[str, Callable[[Printer, Any, int], bytes | None]] = {
    "matplotlib": _matplotlib,
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _arrow,
    "polars": _polars,
    "torch": _torch,
}
