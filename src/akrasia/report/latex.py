"""Any text as LaTeX that prints as that text: the one place where tables are escaped.

What comes out needs no package and no particular font encoding: a bare ``<`` prints as an inverted exclamation mark in
LaTeX's default one. Letters of scripts that it cannot print stay, and `beyond` tells them.
"""

from __future__ import annotations

import re

from akrasia.report.text import plain

_MARKS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}", "<": "$<$", ">": "$>$",
    "|": "$|$",
    '"': r"\textquotedblright{}",  # bare it is a command of its own in some languages
    "[": "{[}", "*": "{*}",  # at the start of a row they would belong to the end of the row before
    "-": "-{}",  # before another one: two print as one dash
}  # fmt: skip

_SIGNS = {
    "\N{MINUS SIGN}": "$-$", "·": r"$\cdot$", "…": r"\dots{}", "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}", "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}", "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,", "\N{REPLACEMENT CHARACTER}": "?", "→": r"$\to$", "←": r"$\gets$",
    "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$", "±": r"$\pm$", "×": r"$\times$", "÷": r"$\div$",
    "∞": r"$\infty$", "∈": r"$\in$", "∩": r"$\cap$", "∪": r"$\cup$", "√": r"$\surd$", "°": r"$^{\circ}$",
    "′": "$'$", "²": "$^{2}$", "³": "$^{3}$", "½": r"$\frac{1}{2}$", "¬": r"$\neg$", "§": r"\S{}",
    "\N{MICRO SIGN}": r"$\mu$",
}  # fmt: skip

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip

_ESCAPED = {**_MARKS, **_SIGNS, **{letter: f"$\\{name}$" for letter, name in _GREEK.items()}}

_PARTS = re.compile(f"-(?=-)|[{re.escape(''.join(mark for mark in _ESCAPED if mark != '-'))}]")

_BEYOND = re.compile("[^\\x00-\\x7fÀ-ÏÑ-ÖØ-Ýßà-ïñ-öø-ýÿ]")
"""What the default encoding cannot print: all but ASCII and the accented letters that it composes."""


def latex_text(text: str) -> str:
    r"""One line of text, escaped; it may stand in a cell, a heading or a caption.

    Example:
        >>> latex_text("p < 0.001 & 50 %")
        'p $<$ 0.001 \\& 50 \\%'
    """
    return _PARTS.sub(lambda found: _ESCAPED[found[0]], plain(text))


def beyond(source: str) -> str:
    """The different characters of LaTeX source that only LuaLaTeX and XeLaTeX print, in order."""
    return "".join(sorted(set(_BEYOND.findall(source))))
