"""Named lists of values: the shipped taxonomies and the constitutions that owners write in the same form.

Leaves which values a text expresses to `akrasia.judges`, and all comparing of value vectors to `akrasia.gap`.
"""

from akrasia.values.constitution import find_values, parse_constitution
from akrasia.values.records import Taxonomy, Value
from akrasia.values.shipped import TAXONOMIES, taxonomy
from akrasia.values.valueeval import OBJECTIVITY, VALUEEVAL_COLUMNS, valueeval_value

__all__ = [
    "OBJECTIVITY",
    "TAXONOMIES",
    "VALUEEVAL_COLUMNS",
    "Taxonomy",
    "Value",
    "find_values",
    "parse_constitution",
    "taxonomy",
    "valueeval_value",
]
