"""Writers of one table in every format that is read, as the programs that people use write it."""

import base64
import csv
import datetime as dt
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather, orc

Rows = list[dict[str, Any]]
EPOCH = dt.date(1899, 12, 30)
"""Day 0 of Excel."""
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
STYLES = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'


OLD_WORKBOOK = (
    "c-"
    "rk)O=wd=5dL=aAJQ~wQlS+}C|I?&2kFI28<lE7NvK}@L9j38fu%96p&)wDYRyp)JSien>cLCZi$CZ=!Gi~(q6a|`5<Pkn6g;$f&d"
    "%FtS|c=|Ma%mhGrK#pGdtPY-"
    "M4wK=A)&Vd+lW`!vI{USOIuzWP&JAZA3tN%Tm>9=_j%r{8tG0DUn_e9yh)8sT`_&mmzW2{fs#9f#?V(kRH#QiB-f-"
    "j=>NrhJNA#*GUpa8%Nc`{222X^E=%03G?kNxx~Dm`j*6D%qP>`+w>|vC_7mfhVuJ>ZQikDD_ZeFt>SZ+h27VK9feUNw^kG#?hs}{"
    "nI1CpW<j-^aSK7<5TQ4f>Kz;`Ax^7c7GJFd@TI!lpC%mn>dFO3{%xt;_ZzvNl2}h3s3X53-M|#A5#Cirgs|7GG;U;#Nn-"
    "(he2y!k9Wk0EUEVlhQgQ0InfCxWBV*=hRT)GRL>Z!!LG^0jqa?EAC~4v?79yTSGuNZM(IPa!!tKwmQ<>r9QI<^ckoHSvg9;HA&MO"
    "Nt4ztDuJ4~RPEw(Vfz+TsLy`6cS7CV()!>ziqdz$-"
    "PWNjCX)5my|+*niJMD^mQeGfZ|ACsG@J~vc86Q6sVoIxi|W0vgIGmRe6Bd%Rlc$BP`LLW%)nYaCNIQeBn$8PC2X)_kpt|LU5+buO"
    "a;zvvBxw2a>YPqy8vCP+58Dv=$dt!Ef!M@a7**ZxP-gqvxPWkd^U$Txb$-"
    "dIsmz_1Q_9f|w;imQ_*_TT9fNa5iWk|>GPXyt>fddB)95`^`;Gcr9@A-"
    "VSRM$n1zPS7Jcb!F|iu0Ld&0;^s>6xVeh`W%dvVhYKt)F%9h^jBKLYwOMLWKh~dI4j|a2#U|uV4D(C2D`qiVY)wZVNR!ex;E(|MK"
    "|X0jf*mzy"
)
"""An .xls file by xlwt 1.3.0, compressed: columns id, name, when and label, two rows."""


def make_rows(num_rows: int = 60) -> Rows:
    """Rows of an integer, a fraction, a category, a date, a text with marks, and a class; some cells are missing."""
    return [
        {
            "id": 1000 + index,
            "size": None if index % 9 == 4 else round(index / 7, 3),
            "color": None if index % 11 == 5 else ["red", "blue", "gr\u00fcn"][index % 3],
            "seen": dt.date(2024, 2, 1) + dt.timedelta(days=index),
            "note": f'{index}\'s, "quoted" and; odd',
            "outcome": ["yes", "no"][index // 3 % 2],
        }
        for index in range(num_rows)
    ]


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)


def write_json_lines(path: Path, rows: Rows) -> None:
    path.write_text("\n".join(json.dumps(row, default=str) for row in rows))


def write_json_array(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, default=str, indent=1))


def write_json_columns(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps({name: [row[name] for row in rows] for name in rows[0]}, default=str))


def write_json_index(path: Path, rows: Rows) -> None:
    """The default of pandas: an object for each column, with a key for each row."""
    columns = {name: {str(index): row[name] for index, row in enumerate(rows)} for name in rows[0]}
    path.write_text(json.dumps(columns, default=str))


def write_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=_batch_size(rows))


def write_feather(path: Path, rows: Rows) -> None:
    feather.write_feather(pa.Table.from_pylist(rows), str(path))


def write_arrow_stream(path: Path, rows: Rows) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, _batch_size(rows))


def _batch_size(rows: Rows) -> int:
    """Several batches also of few rows, but not as small ones of many rows as no program writes."""
    return max(7, len(rows) // 20)


def write_orc(path: Path, rows: Rows) -> None:
    orc.write_table(pa.Table.from_pylist(rows), path)


def write_sqlite(path: Path, rows: Rows) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE data ({', '.join(rows[0])})")
        marks = ", ".join("?" * len(rows[0]))
        values = ([str(value) if isinstance(value, dt.date) else value for value in row.values()] for row in rows)
        connection.executemany(f"INSERT INTO data VALUES ({marks})", values)
    connection.close()


def write_duckdb(path: Path, rows: Rows) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE data (id INTEGER, size DOUBLE, color VARCHAR, seen DATE, note VARCHAR, outcome VARCHAR)"
        )
        # row by row, as `executemany` does, 100,000 rows take minutes
        connection.register("rows", pa.Table.from_pylist(rows))
        connection.execute("INSERT INTO data SELECT * FROM rows")


def write_arff(path: Path, rows: Rows) -> None:
    kinds = {"id": "INTEGER", "size": "numeric", "color": "string", "seen": "date 'yyyy-MM-dd'", "note": "string"}
    lines = ["% made by a test", "@RELATION 'one table'", ""]
    lines += [f"@attribute {name} {kind}" for name, kind in kinds.items()] + ["@attribute 'outcome' {yes, no}", "@data"]
    lines += [", ".join(_arff_cell(value) for value in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_xlsx(path: Path, rows: Rows) -> None:
    write_workbook(path, {"data": [list(rows[0]), *(list(row.values()) for row in rows)]})


def write_old_workbook(path: Path) -> None:
    path.write_bytes(zlib.decompress(base64.b85decode(OLD_WORKBOOK)))


def write_saved_dataset(path: Path, rows: Rows) -> None:
    """A folder of `save_to_disk`: two data files, and what `map` leaves beside them."""
    path.mkdir()
    half = len(rows) // 2
    for index, part in enumerate((rows[:half], rows[half:])):
        write_arrow_stream(path / f"data-{index:05d}-of-00002.arrow", part)
    write_arrow_stream(path / "cache-0123456789abcdef.arrow", rows[:3])
    write_state(path, [f"data-{index:05d}-of-00002.arrow" for index in range(2)])


def write_state(folder: Path, files: list[str], indices: list[str] | None = None) -> None:
    state = {"_data_files": [{"filename": name} for name in files], "_split": None}
    if indices is not None:
        state["_indices_data_files"] = [{"filename": name} for name in indices]
    (folder / "state.json").write_text(json.dumps(state, indent=2))
    (folder / "dataset_info.json").write_text("{}")


def write_workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """An .xlsx file; a cell that begins with `#` is an error, None is empty."""
    sheet_list = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>' for number, name in enumerate(sheets, 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    relations += f'<Relationship Id="rId0" Type="{OFFICE}/styles" Target="styles.xml"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        root = f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{PACKAGE}">{root}</Relationships>')
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{sheet_list}</sheets></workbook>'
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>')
        archive.writestr("xl/styles.xml", STYLES)
        for number, rows in enumerate(sheets.values(), 1):
            lines = "".join(f'<row r="{row}">{_xml_cells(row, cells)}</row>' for row, cells in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>',
            )


def _xml_cells(row: int, cells: list[Any]) -> str:
    return "".join(_xml_cell(f"{chr(65 + column)}{row}", cell) for column, cell in enumerate(cells) if cell is not None)


def _xml_cell(place: str, cell: Any) -> str:
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, dt.date):
        return f'<c r="{place}" s="1"><v>{(cell - EPOCH).days}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{float(cell)!r}</v></c>'
    if cell.startswith("#"):
        return f'<c r="{place}" t="e"><v>{cell}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'


def _arff_cell(value: Any) -> str:
    if value is None:
        return "?"
    text = str(_number(value))
    return "'" + text.replace("'", r"\'") + "'" if isinstance(value, str) else text


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value == int(value) else value


TABLE_WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "x.csv": write_csv,
    "x.jsonl": write_json_lines,
    "array.json": write_json_array,
    "columns.json": write_json_columns,
    "index.json": write_json_index,
    "x.parquet": write_parquet,
    "x.feather": write_feather,
    "x.arrow": write_arrow_stream,
    "x.orc": write_orc,
    "x.xlsx": write_xlsx,
    "x.db": write_sqlite,
    "x.duckdb": write_duckdb,
    "x.arff": write_arff,
    "saved": write_saved_dataset,
}
"""Name of the file or folder -> what writes it."""
