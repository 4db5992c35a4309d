"""The file of a learnt prior (`akrasia prior RUN -o FILE`): what it holds, and reading it back checked.

Learning it from a run is left to `akrasia.runs.prior`.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from akrasia.core import Fingerprint, InputError
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.risk import Match, Prior, check_prior

Count = Annotated[int, Meta(ge=0)]


class Verifier(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose values a prior is of; a rule that is fed with others knows nothing.

    Attributes:
        measure: what is measured: the utilities' names ("numeric"), or "adherence to stated values", "adherence to
            CONSTITUTION".
        judge: identity of the judge that reads; "" where nobody has to judge.
    """

    measure: str
    judge: str = ""

    def __str__(self) -> str:
        return f"{self.measure} by {self.judge}" if self.judge else self.measure


class Provenance(Struct, frozen=True, forbid_unknown_fields=True):
    """What a prior was learnt from.

    Attributes:
        cell: name of the cell.
        suite, suite_fingerprint: what was asked.
        model: who answered.
        judge: fingerprint of the judge that reads; None where nobody judges.
        values: fingerprint of the values that it looks for; "" without a judge.
        items: M, items with at least one value.
        candidates: K, the candidates of each item.
        missing: candidates without a value; they are left out.
        akrasia: version that learnt it.
    """

    cell: str
    suite: str
    suite_fingerprint: str
    model: Fingerprint
    judge: Fingerprint | None
    values: str
    items: Count
    candidates: Annotated[int, Meta(ge=1)]
    missing: Count
    akrasia: str


class PriorFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, as JSON.

    Attributes:
        format: says that it is one.
        version: of this form.
        verifier: whose values.
        prior: the item types; see `akrasia.risk.Prior`.
        provenance: what it was learnt from.
        match: the cost that `--match` chose, for rules that name none; None without.
    """

    format: Literal["akrasia-prior"] = "akrasia-prior"
    version: Literal[1] = 1
    verifier: Verifier
    prior: Prior
    provenance: Provenance
    match: Match | None = None


def read_prior(path: Path) -> PriorFile:
    """A prior from its file.

    Raises:
        InputError: it cannot be read, is no prior, or a field of it is wrong.
    """
    learn = "learn one with `akrasia prior RUN -o FILE`"
    try:
        found = decode_json(path.read_bytes(), PriorFile)
        check_prior(found.prior)
    except OSError as error:
        raise InputError(f"cannot read the prior {path}: {error.strerror}; {learn}") from None
    except Undecodable as error:
        raise error.at(f"{path} is no prior of this version of Akrasia", learn) from None
    except InputError as error:
        raise InputError(f"the prior {path} is damaged: {error}; {learn}") from None
    return found


def prior_hash(file: PriorFile) -> str:
    """Of all that a prior's file says, however it is laid out."""
    return blake2b(msgspec.json.encode(file, order="deterministic"), digest_size=16).hexdigest()


def check_prior_path(path: Path) -> None:
    """Refuse a file that a prior must not be written to, before anything is learnt.

    Raises:
        InputError: it exists and is no prior, or its folder does not exist.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists():
        try:
            read_prior(path)
        except InputError:
            raise InputError(f"{path} exists and is no prior: name another file, or move it away") from None


def write_prior(file: PriorFile, path: Path) -> None:
    """Write a prior, whole or not at all; an earlier one is replaced, anything else is not.

    Raises:
        InputError: as `check_prior_path`, or it cannot be written.
    """
    check_prior_path(path)
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
        new.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
