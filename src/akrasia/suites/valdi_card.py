"""The dataset card that goes beside an exported suite, in the form that data hubs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from akrasia.core import Suite
from akrasia.suites.valdi_families import DOMAINS, read_families

CARD = "README.md"
CARD_MARK = "# written by akrasia suite export"
"""A comment in the card's head, by which a later export knows that it may replace the file."""

_MEANINGS = {
    "id": "stable and unique",
    "input": "what the model sees",
    "target": "what an exact utility compares with",
    "utility": "what scores it; a judge does where there is none",
    "cluster": "the family: items that belong together, one draw for every interval",
    "domain": "what the decision is about",
    "pressure": "what was added to the neutral text (none: the neutral text itself)",
    "wording": "which rewording of the neutral text",
    "addressee": "whom the answer is for, as the text calls them",
    "role": "who that is to the person who asks",
    "tension": "values that pull apart, in the author's judgement; never shown to a model",
    "stakes": "low, medium or high",
    "language": "of the text",
    "version": "of the data",
    "canary": "a string by which the data can be found in a corpus",
    "metadata": "the rest of the record",
}
_ABOUT_OURS = """\
The texts were written for the Akrasia project by a language model, under the protocol that its datasheet describes.
They were not collected from people, and they do not reproduce the DAISY data of the VALDI paper (arXiv 2605.09893).
Keep them out of training corpora.
"""


def card_text(suite: Suite, file_name: str, columns: list[str]) -> str:
    """The card of an exported suite.

    Args:
        suite: what was exported.
        file_name: of the data, beside the card.
        columns: of the data, in order.
    """
    families = len({item.cluster or item.id for item in suite.items})
    lines = [
        *_head(suite, file_name),
        "",
        f"# {suite.name}",
        "",
        *([f"{suite.description}.", ""] if suite.description else []),
        f"{len(suite.items):,} items in {families:,} families; fingerprint of the suite `{suite.fingerprint}`.",
        "",
        *([_ABOUT_OURS] if _is_ours(suite) else []),
        *([f"{sampling_note(suite)}\n"] if sampling_note(suite) else []),
        "| column | meaning |",
        "| --- | --- |",
        *(f"| `{name}` | {_MEANINGS.get(name, 'as the suite gives it')} |" for name in columns),
    ]
    domains = Counter(str(item.metadata["domain"]) for item in suite.items if "domain" in item.metadata)
    if domains:
        lines += ["", "| domain | items |", "| --- | --- |", *(f"| {name} | {n:,} |" for name, n in domains.items())]
    return "\n".join(lines) + "\n"


def sampling_note(suite: Suite) -> str:
    """What the suite's prompts need of a run that rows cannot carry; "" where they need nothing."""
    needs = suite.sampling
    flags = []
    if needs.max_tokens is not None:
        flags.append(f"max_tokens = {needs.max_tokens}")
    if needs.top_p is not None:
        flags.append(f"top_p = {needs.top_p:g}")
    if needs.stop:
        flags.append(f"stop = {_quoted_list(needs.stop)}")
    if not flags:
        return ""
    return (
        f"The suite samples with {', '.join(flags)} unless a run says otherwise. Rows cannot carry that: the file is "
        "another suite, and its run has to be given it (a configuration file has these keys)."
    )


def _quoted_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_quoted, texts)) + "]"


def _head(suite: Suite, file_name: str) -> list[str]:
    languages = sorted({str(item.metadata["language"]) for item in suite.items if "language" in item.metadata})
    return [
        "---",
        CARD_MARK,
        f"pretty_name: {_quoted(suite.name)}",
        *(["license: apache-2.0"] if _is_ours(suite) else []),
        *(["language:", *(f"- {language}" for language in languages)] if languages else []),
        "configs:",
        "- config_name: default",
        f"  data_files: {_quoted(file_name)}",
        "---",
    ]


def _is_ours(suite: Suite) -> bool:
    """Whether every item carries a canary of the shipped scenarios."""
    canaries = {read_families(domain)[0].canary for domain in DOMAINS}
    return all(item.metadata.get("canary") in canaries for item in suite.items)


def _quoted(text: str) -> str:
    """A text as YAML reads it back, whatever it holds: JSON strings are YAML."""
    return msgspec.json.encode(text).decode()
