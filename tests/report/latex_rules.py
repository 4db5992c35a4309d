"""What a LaTeX table may hold, by the rules of LaTeX, not by how it is made."""

from __future__ import annotations

import re

COMMANDS = (
    "textbackslash|textasciitilde|textasciicircum|textasciigrave|textendash|textemdash|textquoteleft|textquotedblleft|"
    "textquotedblright|dots|S"
)
_PRINTED = re.compile(
    rf"""(?:
      [A-Za-z0-9 .,;:!?()/'+=@\]~-]         # prints as itself in every font encoding; ~ is a space
    | \\[&%$\#_{{}},]                       # an escaped mark, or a thin space
    | \\(?:{COMMANDS}){{}}                  # a command that ends where its braces do
    | -{{}}                                 # a hyphen that no other one joins
    | {{[*\[]}}                             # what a row must not begin with
    | \$[^$\\{{}}&%\#_~]\$                  # one mark in mathematics
    | \$\\[A-Za-z]+(?:{{\d}})*\$ | \$\^(?:{{\d}}|{{\\circ}})\$
    | [^\x00-\x7f]                          # a letter; which ones the head of the table must tell
    )*""",
    re.VERBOSE,
)


def illegal_cells(tex: str) -> list[str]:
    """The cells, headings and captions that LaTeX would not print as they are meant; and rows of another length."""
    head = tex.partition("\\begin{table}")[0]
    (caption,) = re.findall(r"^  \\caption\{(.*)\}$", tex, re.MULTILINE)
    (align,) = re.findall(r"^  \\begin\{tabularx?\}(?:\{\\linewidth\})?\{(.*)\}$", tex, re.MULTILINE)
    columns = len(align.replace(r">{\raggedright\arraybackslash}", ""))
    rows = [line for line in tex.splitlines() if line.endswith(r" \\")]
    found = [caption]
    for row in rows:
        cells = row[4:].removesuffix(r" \\").split(" & ")
        found += cells if len(cells) == columns else [row]
    wrong = [text for text in found if not _PRINTED.fullmatch(text) or "--" in text or "''" in text]
    untold = {letter for text in found for letter in text if ord(letter) > 0xFF and letter not in head}
    return wrong + sorted(untold)
