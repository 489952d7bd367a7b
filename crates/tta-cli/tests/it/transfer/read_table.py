"""Reads a table as Arrow does, and prints its columns with their types, and its rows, as JSON: python read_table.py FILE"""

import json
import math
import sys

import pyarrow
from pyarrow import parquet

table = parquet.read_table(sys.argv[1])
types = {field.name: str(field.type) for field in table.schema}
for name, kind in types.items():
    if kind.startswith("timestamp"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(pyarrow.int64()))


def plain(value):
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


rows = [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]
json.dump({"types": types, "rows": rows}, sys.stdout)
