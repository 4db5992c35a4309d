"""The tables of a run's store, and how rows are written in bulk.

Every row has a natural key, so that running a unit twice writes the same rows: what is there stays. Tables with a
hash for a key keep their row ids: wide rows in the order of a hash would split a page at every other insert.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

VERSION = 4
"""`user_version` of the store; a store with a higher one was made by a newer Akrasia."""

DDL = """
CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    suite TEXT NOT NULL,
    strategy TEXT NOT NULL,
    sampling TEXT NOT NULL,       -- JSON
    seed INTEGER NOT NULL,
    pool TEXT,                    -- name of the cell whose candidates are the reference pool
    pooled INTEGER NOT NULL       -- 1: computed from the pool, draws nothing itself
);
CREATE TABLE items (
    suite TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    input TEXT NOT NULL,          -- JSON
    target TEXT,
    utility TEXT,
    cluster TEXT,
    metadata TEXT NOT NULL,       -- JSON
    PRIMARY KEY (suite, position)
) WITHOUT ROWID;
CREATE TABLE requests (
    digest TEXT PRIMARY KEY,
    body TEXT NOT NULL            -- JSON, without the seed, which stands with the call
);
CREATE TABLE calls (
    key TEXT PRIMARY KEY,         -- hash over model fingerprint, resolved request, role, label and sample
    cell INTEGER NOT NULL,        -- the cell that bought it
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    role TEXT NOT NULL,           -- "superseded " before it: asked again, and another answer has its key
    label TEXT NOT NULL,
    request TEXT NOT NULL,        -- digest in requests
    seed INTEGER,
    text TEXT NOT NULL,
    reasoning TEXT,
    finish TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    reasoning_tokens INTEGER,
    cached_tokens INTEGER,
    model TEXT                    -- the name that the endpoint says answered
);
CREATE TABLE candidates (
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    text TEXT,                    -- NULL exactly when missing says why
    reasoning TEXT,
    finish TEXT NOT NULL,
    missing TEXT,
    PRIMARY KEY (cell, item, sample)
) WITHOUT ROWID;
CREATE TABLE scores (
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    verifier TEXT NOT NULL,
    utility REAL,                 -- NULL when missing says why, or when its worth is read from judgements
    answer TEXT,
    failure TEXT,                 -- why it counts 0 without a comparison
    missing TEXT,
    PRIMARY KEY (cell, item, sample, verifier)
) WITHOUT ROWID;
CREATE TABLE judgements (         -- what each judge read in each text of a candidate
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    stage TEXT NOT NULL,          -- stated, reasoning, action
    judge TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    readings TEXT NOT NULL,       -- JSON: value id -> score, polarity, evidence
    unread TEXT NOT NULL,         -- JSON: value id -> why there is no reading
    shown TEXT NOT NULL,          -- JSON: value ids in the order in which they were shown
    missing TEXT,                 -- why nothing could be read
    PRIMARY KEY (cell, item, sample, stage, judge, repeat)
) WITHOUT ROWID;
CREATE TABLE trails (             -- what the audits of a candidate's texts did
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    trail TEXT NOT NULL,          -- JSON: a list of akrasia.audit.Trail
    PRIMARY KEY (cell, item, sample)
);
CREATE TABLE answer_classes (     -- answers of an item that are one in a vote; none for one answer, or equal as written
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    answer TEXT NOT NULL,         -- as in scores
    class TEXT NOT NULL,          -- the first answer that equals it
    PRIMARY KEY (cell, item, answer)
) WITHOUT ROWID;
CREATE TABLE failures (           -- every call that the endpoint finally refused, for the record
    key TEXT PRIMARY KEY,
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    role TEXT NOT NULL,
    label TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE logprobs (key TEXT PRIMARY KEY, tokens BLOB NOT NULL);  -- zlib over JSON
CREATE TABLE raw (key TEXT PRIMARY KEY, body BLOB NOT NULL);         -- zlib over the response body
"""

MIGRATIONS = {
    1: DDL[DDL.index("CREATE TABLE judgements") : DDL.index("CREATE TABLE trails")],
    2: DDL[DDL.index("CREATE TABLE trails") : DDL.index("CREATE TABLE answer_classes")],
    3: DDL[DDL.index("CREATE TABLE answer_classes") : DDL.index("CREATE TABLE failures")],
}
"""Version of a store → what brings it to the next one."""

Table = Literal[
    "cells",
    "items",
    "requests",
    "calls",
    "candidates",
    "scores",
    "judgements",
    "trails",
    "answer_classes",
    "failures",
    "logprobs",
    "raw",
]

COLUMNS: dict[Table, int] = {
    "cells": 9,
    "items": 8,
    "requests": 2,
    "calls": 16,
    "candidates": 7,
    "scores": 8,
    "judgements": 10,
    "trails": 4,
    "answer_classes": 4,
    "failures": 7,
    "logprobs": 2,
    "raw": 2,
}

ANSWERS = """
SELECT s.answer, c.text, min(s.sample) FROM scores s JOIN candidates c USING (cell, item, sample)
WHERE s.cell = ? AND s.item = ? AND s.answer IS NOT NULL GROUP BY s.answer ORDER BY 3
"""
"""Of one item every answer with the text of the first candidate that gave it, in that order."""

ANSWER_CLASSES = "SELECT answer, class FROM answer_classes WHERE cell = ? AND item = ?"

COUNT_AUDITS = """
SELECT cell, count(*), sum(revised), sum(guarded), sum(unmade), sum(missing) FROM (
    SELECT cell,
        EXISTS (SELECT 1 FROM json_each(trail) t WHERE json_extract(t.value, '$.accepted') IS NOT NULL) revised,
        EXISTS (
            SELECT 1 FROM json_each(trail) t, json_each(t.value, '$.revisions') r
            WHERE json_extract(r.value, '$.guard') IS NOT NULL AND NOT json_extract(r.value, '$.accepted')
        ) guarded,
        EXISTS (
            SELECT 1 FROM json_each(trail) t, json_each(t.value, '$.revisions') r
            WHERE json_extract(r.value, '$.text') IS NULL
        ) unmade,
        EXISTS (SELECT 1 FROM json_each(trail) t WHERE json_extract(t.value, '$.missing') IS NOT NULL) missing
    FROM trails
) GROUP BY cell
"""
"""Of every cell that audits, what `akrasia.runs.totals.AuditCount` holds. A rewrite comes before the guard only where
the auditor finds it better, so one that was guarded and not accepted was refused by the guard."""

BULK = (128, 32, 8, 1)
"""Rows per statement, largest first. One statement of many rows lets SQLite work without Python's lock; the few fixed
sizes keep the statements in the connection's cache."""


@cache
def insert(table: Table, rows: int) -> str:
    """The statement that inserts so many rows and leaves alone what is there."""
    row = "(" + ",".join("?" * COLUMNS[table]) + ")"
    return f"INSERT OR IGNORE INTO {table} VALUES {','.join([row] * rows)}"  # noqa: S608 - names from the literal above
