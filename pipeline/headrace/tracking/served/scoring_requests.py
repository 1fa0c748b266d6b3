"""Reads the requests of MLflow's scoring server as they are. Copied into served models.

MLflow casts and drops cells by the signature before a model sees them: unknown columns vanish, two instances with
different keys become one row, and its errors hold whole data frames and stack traces. So a served model parses bodies.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from headrace.data.request_rows import InvalidRequestError, name_kind, quote

MAX_BODY_BYTES = 256 * 1024**2
MAX_ROWS = 100_000
"""Rows of a request over HTTP."""
FORMATS = ("dataframe_split", "dataframe_records", "inputs", "instances")
OTHER_DELIMITERS = (";", "\t", "|")
"""Those of files of training data, which a request in CSV may not have."""
Rows = list[dict[Any, Any]]


class Request(NamedTuple):
    """A parsed request."""

    rows: Rows
    params: dict[str, Any]


def install_request_handler() -> None:
    """Makes the scoring server of this process pass requests to models that have `answer_request`.

    It goes on handling those of other models. Each model parses by its own version of this code.
    """
    from mlflow.pyfunc import scoring_server

    original = scoring_server.invocations
    if getattr(original, "asks_the_model", False):
        return

    def invocations(data: bytes, content_type: str, model: Any, input_schema: Any) -> Any:
        python_model: Any = getattr(model._model_impl, "python_model", None)  # noqa: SLF001 a stable API of MLflow
        if not hasattr(python_model, "answer_request"):
            return original(data, content_type, model, input_schema)
        return python_model.answer_request(data, content_type)

    invocations.asks_the_model = True  # type: ignore[attr-defined]
    scoring_server.invocations = invocations


def parse_request(body: bytes, content_type: str, column: str | None) -> Request:
    """Parses a body; raises InvalidRequestError.

    `column`: the name of the only column of a row, whose values may then be sent as a list; otherwise None.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequestError(
            f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are allowed; send fewer rows at a time"
        )
    kind, *options = [part.strip().lower() for part in (content_type or "").split(";")]
    if kind not in PARSERS or any(option not in {"", "charset=utf-8"} for option in options):
        raise InvalidRequestError(f"Content-Type {content_type!r}: must be one of {', '.join(PARSERS)}, in UTF-8")
    request = PARSERS[kind](body, column)
    if len(request.rows) > MAX_ROWS:
        raise InvalidRequestError(
            f"{len(request.rows)} rows; at most {MAX_ROWS} are allowed in a request; send several"
        )
    return request


def read_rows(data: Any, column: str | None) -> Rows:
    """Returns the rows of a table (pandas or Arrow), a list of rows, or columns by name, of a program or of JSON."""
    if hasattr(data, "schema") and hasattr(data, "to_pylist"):
        _check_unique(data.schema.names)
        return [dict(row) for row in data.to_pylist()] if data.num_columns else [{} for _ in range(data.num_rows)]
    if hasattr(data, "columns"):
        return _read_frame(data)
    if isinstance(data, dict):
        return _read_columns(data)
    if hasattr(data, "tolist"):
        data = data.tolist()
    if not isinstance(data, list):
        raise InvalidRequestError(f"got {type(data).__name__}; must be a list of rows, or an object of columns")
    if column and not any(isinstance(row, dict) for row in data):
        return [{column: value} for value in data]
    for index, row in enumerate(data):
        if not isinstance(row, dict):
            raise InvalidRequestError(
                f"row {index}: is {name_kind(row)}; must be an object with a value for each column"
            )
    return data


def _read_frame(frame: Any) -> Rows:
    _check_unique(list(frame.columns))
    rows: Rows = frame.to_dict("records")
    return rows if len(rows) == len(frame) else [{} for _ in range(len(frame))]  # pandas: no columns, no records


def _read_columns(columns: dict[Any, Any]) -> Rows:
    lists = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in columns.items()}
    if not any(isinstance(values, list) for values in lists.values()):
        return [lists]
    for name, values in lists.items():
        if not isinstance(values, list):
            raise InvalidRequestError(f"column {name!r}: is one value, other columns are lists; send a list for each")
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidRequestError(
            f"columns differ in length ({lengths}); send a value for each row, null where it is unknown"
        )
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _parse_json(body: bytes, column: str | None) -> Request:
    try:
        content = json.loads(body, object_pairs_hook=_to_object)
    except InvalidRequestError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the body is not JSON ({error})") from None
    given = [name for name in FORMATS if isinstance(content, dict) and name in content]
    if len(given) != 1 or not content.keys() <= {*given, "params"}:
        got = list(content) if isinstance(content, dict) else type(content).__name__
        raise InvalidRequestError(
            f"the body has {got}; must be an object with exactly one of {list(FORMATS)}, and possibly params"
        )
    params = content.get("params") or {}
    if not isinstance(params, dict):
        raise InvalidRequestError(f"params: is {name_kind(params)}; must be an object")
    data = content[given[0]]
    return Request(_read_split(data) if given[0] == "dataframe_split" else read_rows(data, column), params)


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values under one name, Python's parser would take the last without a word."""
    content = dict(pairs)
    if len(content) < len(pairs):
        _check_unique([name for name, _ in pairs])
    return content


def _read_split(data: Any) -> Rows:
    if not isinstance(data, dict) or not {"columns", "data"} <= data.keys() <= {"columns", "data", "index"}:
        got = list(data) if isinstance(data, dict) else type(data).__name__
        raise InvalidRequestError(f"dataframe_split: has {got}; must be an object with columns and data")
    names, rows = data["columns"], data["data"]
    if not isinstance(names, list) or not isinstance(rows, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("dataframe_split: columns must be a list of names, and data a list of rows")
    _check_unique(names)
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            got = f"has {len(row)} values" if isinstance(row, list) else f"is {name_kind(row)}"
            raise InvalidRequestError(
                f"row {index}: {got}; must be a list of {len(names)} values, as dataframe_split has columns"
            )
    return [dict(zip(names, row, strict=True)) for row in rows]


def _parse_csv(body: bytes, column: str | None) -> Request:
    csv.field_size_limit(MAX_BODY_BYTES)  # by default, a text of 128 KiB is an error
    try:
        records = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(records, [])
        _check_header(names, column)
        rows = list[dict[Any, Any]]()
        for cells in records:
            if not cells:  # a blank line
                continue
            if len(cells) != len(names):
                raise InvalidRequestError(
                    f"row {len(rows)}: has {len(cells)} cells; must have {len(names)}, as the header"
                )
            rows.append(dict(zip(names, cells, strict=True)))
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise InvalidRequestError(f"the body is not CSV (line {records.line_num}: {error})") from None
    return Request(rows, {})


def _check_header(names: list[str], column: str | None) -> None:
    """Raises InvalidRequestError for a header that is empty, has a name twice, or seems to be one of another delimiter.

    `column`: the name that a header of one cell has to have; None if there are several.
    """
    if not names:
        raise InvalidRequestError("the body is empty; must be a header with the names of the columns, and rows")
    if len(names) == 1 and names[0] != column and any(mark in names[0] for mark in OTHER_DELIMITERS):
        raise InvalidRequestError(
            f"the header is one cell, {quote(names[0])}; separate cells by commas, whatever the source has"
        )
    _check_unique(names)


def _parse_parquet(body: bytes, column: str | None) -> Request:
    del column
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(body))
    except Exception as error:  # noqa: BLE001 - on damaged files Arrow raises anything, from OSError to KeyError
        raise InvalidRequestError(
            f"the body is not Parquet ({str(error).splitlines()[0] if str(error) else error!r})"
        ) from None
    return Request(_read_frame(frame), {})


def _check_unique(names: list[Any]) -> None:
    if len(set(names)) < len(names):
        repeated = next(name for index, name in enumerate(names) if name in names[:index])
        raise InvalidRequestError(f"column {repeated!r}: is there more than once; send each column once")


PARSERS: dict[str, Callable[[bytes, str | None], Request]] = {
    "application/json": _parse_json,
    "text/csv": _parse_csv,
    "application/vnd.apache.parquet": _parse_parquet,
}
