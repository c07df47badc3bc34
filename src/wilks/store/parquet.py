"""A log as a Parquet file: values by name, texts as dictionaries, one row group for each block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wilks.core.errors import MissingDependencyError
from wilks.core.parameter import Categorical
from wilks.store import tables

if TYPE_CHECKING:
    from pathlib import Path

    from wilks.core.parameter import Domain, Value
    from wilks.core.space import Space
    from wilks.store.log import EvaluationLog


def write(log: EvaluationLog, space: Space, path: Path) -> None:
    """Write all evaluations of a log.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingDependencyError("parquet export", "pyarrow", "parquet") from None

    schema = _schema(pa, space, log.header)
    titles = [stage.title for stage in log.stages()]
    with pq.ParquetWriter(path, schema) as writer:
        for block in log.iter_batches():
            columns = tables.decoded(block, space, titles)
            arrays = [_array(pa, column, schema.field(name).type) for name, column in columns.items()]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _schema(pa: Any, space: Space, header: dict[str, Any]) -> Any:  # noqa: ANN401 - pyarrow is optional
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = [_kind(pa, space[name]) for name in space.free]
    kinds += [pa.float64(), text, text, pa.float32(), pa.int32(), text]
    metadata = {key: str(header[key]) for key in ("problem", "fingerprint", "wilks")}
    units = {name: space[name].unit for name in space.free}
    fields = [
        pa.field(name, kind, metadata={"unit": units[name]} if units.get(name) else None)
        for name, kind in zip(tables.column_names(space.free), kinds, strict=True)
    ]
    return pa.schema(fields, metadata=metadata)


def _kind(pa: Any, domain: Domain) -> Any:  # noqa: ANN401 - pyarrow is optional
    """Type of a parameter's column; choices of mixed types become text."""
    values = choices(domain)
    for python, arrow in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64())):
        if all(type(value) is python for value in values):
            return arrow
    return pa.dictionary(pa.int32(), pa.string())


def choices(domain: Domain) -> list[Value]:
    """Examples of the values of a domain that show its type: all choices of a categorical parameter."""
    if isinstance(domain, Categorical):
        return list(domain.values)
    return [domain.decode(float(domain.from_unit(np.array(0.5))))]


def _array(pa: Any, column: Any, kind: Any) -> Any:  # noqa: ANN401 - pyarrow is optional
    if not isinstance(column, tables.Codes):
        return pa.array(column, type=kind)
    if pa.types.is_dictionary(kind):
        texts = pa.array([str(value) for value in column.values], type=pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(column.positions, type=pa.int32()), texts)
    return pa.array(column.values, type=kind).take(pa.array(column.positions))
