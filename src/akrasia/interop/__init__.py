"""Data that other tools made, and data for other tools."""

from akrasia.interop.utility_table import UtilityTable, read_utilities
from akrasia.runs.value_file import read_labels

__all__ = ["UtilityTable", "read_labels", "read_utilities"]
