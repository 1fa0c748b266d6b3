"""Registry of the checks on the content of rows."""

from headrace.contracts import RowChecker
from headrace.data.image.cleaning.checker import ImageChecker
from headrace.data.table.cleaning.checker import TableChecker
from headrace.data.text.checker import TextChecker

CHECKERS: dict[str, RowChecker] = {"image": ImageChecker(), "text": TextChecker(), "table": TableChecker()}
