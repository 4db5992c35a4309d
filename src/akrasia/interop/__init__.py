"""Data that other tools made, and data for other tools."""

from akrasia.interop.label_table import read_labels
from akrasia.interop.utility_table import UtilityTable, read_utilities

__all__ = ["UtilityTable", "read_labels", "read_utilities"]
