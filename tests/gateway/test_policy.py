"""Policy files: what they resolve to, and how every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from akrasia.core import InputError
from akrasia.gateway.policy import Deadlines, Policy, Route, split_strategy
from akrasia.gateway.policy_file import read_policies

CONSTITUTION = """
name = "clinic"
[[value]]
id = "candour"
definition = "Says what is so, also when it is unwelcome."
required = true
[[value]]
id = "benevolence-caring"
weight = 2
"""

WHOLE = """
name = "clinic"
mode = "annotate"
constitution = "values.toml"
judge = "llm:scripted:tests.runs.value_scripts:judge"
strategies = ["direct", "best_of_n:4"]
default_strategy = "best_of_n:4"
on_audit_error = "open"
deadline_s = { total = 30, audit = 5.5 }
max_tokens_total = 4000
redact = ['\\b\\d{16}\\b']
keys = "keys.txt"

[limits]
concurrency = 7

[[route]]
model = "small-*"
mode = "pass"
strategies = ["direct"]
default_strategy = "direct"

[[route]]
name = "ward"
header = "X-Team = ward 3"
mode = "enforce"
on_fail = "rewrite"
deadline_s = 12
"""


def written(folder: Path, text: str) -> Path:
    (folder / "values.toml").write_text(CONSTITUTION, encoding="utf-8")
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_route_takes_from_the_top_what_it_does_not_say(tmp_path: Path) -> None:
    policies = read_policies(written(tmp_path, WHOLE))
    small = policies.policy_for("small-1", {})
    ward = policies.policy_for("large", {"x-team": "ward 3"})
    other = policies.policy_for("large", {"x-team": "ward 4"})

    assert (small.name, small.route, small.mode, small.default_strategy) == ("clinic", "small-*", "pass", "direct")
    assert small.max_tokens_total == 4000
    assert (ward.route, ward.mode, ward.on_fail, ward.on_audit_error) == ("ward", "enforce", "rewrite", "open")
    assert ward.deadline_s == Deadlines(total=12)
    assert other is policies.default
    assert other.deadline_s == Deadlines(total=30, audit=5.5)
    assert other.constitution is not None
    assert other.constitution.ids == ("candour", "benevolence-caring")
    assert policies.limits.concurrency == 7
    assert policies.limits.header_count == 64
    assert policies.keys == str(tmp_path / "keys.txt")
    assert tuple(policies.stamps) == (str(tmp_path / "policy.toml"), str(tmp_path / "values.toml"))


def test_the_first_route_that_matches_counts(tmp_path: Path) -> None:
    policies = read_policies(written(tmp_path, WHOLE))
    assert policies.policy_for("small-1", {"x-team": "ward 3"}).mode == "pass"


def test_an_empty_file_passes_everything(tmp_path: Path) -> None:
    policies = read_policies(written(tmp_path, ""))
    assert (policies.default.name, policies.default.mode) == ("policy", "pass")
    assert policies.default.strategies == ("direct",)


def test_a_fingerprint_follows_the_constitution(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    before = read_policies(path).default.fingerprint
    assert read_policies(path).default.fingerprint == before
    (tmp_path / "values.toml").write_text(CONSTITUTION.replace("unwelcome", "unpleasant"), encoding="utf-8")
    assert read_policies(path).default.fingerprint != before


AUDIT = 'judge = "encoder"\nconstitution = "schwartz-19"\n'

MISTAKES = {
    "no TOML": ("mode = pass", ":1: not valid TOML"),
    "nested for ever": (f"mode = {'[' * 3000}", "policy.toml: nested too deeply"),
    "unknown key": ('mode = "pass"\njugde = "encoder"', ":2: unknown key 'jugde'; did you mean 'judge'"),
    "unknown key of a route": ('[[route]]\nmodel = "a"\n[[route]]\nmodle = "b"', ":4: unknown key 'modle'"),
    "unknown limit": ("\n[limits]\nbody = 3", ":3: unknown key 'body'; did you mean 'body_bytes'"),
    "unknown stage": ("deadline_s = { all = 3 }", ":1: unknown key 'all'"),
    "wrong type": ("\nmax_tokens_total = 1.5", ":2: max_tokens_total: expected `int`, got `float`"),
    "wrong type in a route": ('[[route]]\nmodel = "a"\nmode = "watch"', ":3: mode: invalid enum value 'watch'"),
    "wrong type of a limit": ('[limits]\nread_s = "soon"', ":2: read_s: expected `float`, got `str`"),
    "a limit of nothing": ("[limits]\nread_s = 0", ":2: read_s is 0: it must be above 0"),
    "enforce without a judge": ('mode = "enforce"', ":1: mode 'enforce' audits, and no judge is named"),
    "observe without values": ('mode = "observe"\njudge = "encoder"', ":1: mode 'observe' audits, but against nothing"),
    "no such judge": ('judge = "oracle"', ":1: unknown judge 'oracle'"),
    "no such constitution": ('constitution = "none.toml"', ":1: cannot read the constitution"),
    "a judge that does not know the values": (
        'judge = "encoder"\nconstitution = "values.toml"',
        "candour",
    ),
    "unknown strategy": ('strategies = ["direkt"]', ":1: unknown strategy 'direkt'; did you mean 'direct'"),
    "a strategy of runs only": ('strategies = ["direct", "slow"]', ":1: strategy 'slow' answers no live traffic"),
    "a default that is not allowed": (
        '\ndefault_strategy = "adaptive"',
        ":2: 'adaptive' is not among the strategies allowed (direct)",
    ),
    "a stage beyond the total": ("deadline_s = { total = 3, audit = 4 }", "audit (4) is longer than total (3)"),
    "no time at all": ("deadline_s = 0", ":1: deadline_s total is 0"),
    "no regular expression": ("redact = ['(']", ":1: redact '(' is not a regular expression"),
    "a pattern that never ends": ("redact = ['(a+)+$']", ":1: redact '(a+)+$' takes too long"),
    "a route to anything": ('[[route]]\nmode = "pass"', ":1: a route needs model"),
    "a route twice": (
        '[[route]]\nmodel = "a"\n[[route]]\nmodel = "a"\n',
        ":3: never applies: route 1 comes first",
    ),
    "a route behind a wider one": (
        f'{AUDIT}[[route]]\nmodel = "free*"\nmode = "pass"\n[[route]]\nmodel = "free-x"\nmode = "enforce"\n',
        ":6: never applies: route 1 comes first and matches all that it matches",
    ),
    "a route behind one to anything": (
        '[[route]]\nmodel = "*"\n[[route]]\nheader = "x-team=a"\n',
        ":3: never applies: route 1 comes first",
    ),
    "a route behind its own header": (
        '[[route]]\nheader = "x-team=a"\n[[route]]\nmodel = "b"\nheader = "X-Team=a"\n',
        ":3: never applies: route 1 comes first",
    ),
    "a value that mode does not have": (
        'mode = "enforced"',
        ":1: mode: invalid enum value 'enforced'; did you mean 'enforce'?",
    ),
    "a value that on_fail does not have": ('on_fail = "block"', "'block'; known: annotate, rewrite, stop"),
    "a key that stands twice": (
        'mode = "pass"\nmode = "observe"',
        """:2: not valid TOML: 'mode = "observe"' sets a key that is set above""",
    ),
    "strategies without the default": (
        f'{AUDIT}mode = "enforce"\nstrategies = ["best_of_n:4"]',
        ":4: 'direct' is not among the strategies allowed (best_of_n:4): add it to strategies, or set default_strategy",
    ),
    "a rewriter without a kind": (
        f'{AUDIT}mode = "enforce"\non_fail = "rewrite"\nrewriter = "gpt-4o"',
        ":5: cannot read model 'gpt-4o': write KIND:NAME",
    ),
    "sentences with a required value": (
        'judge = "llm:scripted:a:b"\nconstitution = "values.toml"\nmode = "enforce"\nrelease = "sentences"',
        ':4: release = "sentences" stops on betrayal alone, and a required value is about the whole',
    ),
    "adaptive without a prior": (
        f'{AUDIT}mode = "enforce"\nstrategies = ["direct", "adaptive"]',
        ":4: strategy 'adaptive' needs a prior: add prior",
    ),
    "a strategy without its judge": (
        'strategies = ["direct", "best_of_n:4"]',
        ":1: strategy 'best_of_n' goes by a judge",
    ),
    "a header without a value": ('[[route]]\nheader = "x-team"', ":2: header 'x-team'"),
    "sentences that nobody stops": (
        f'{AUDIT}mode = "enforce"\non_fail = "rewrite"\nrelease = "sentences"',
        ':5: release = "sentences" needs on_fail = "stop"',
    ),
    "sentences that nobody withholds": (f'{AUDIT}mode = "annotate"\nrelease = "sentences"', ":4: release"),
    "a judge whose model has no address": (
        'mode = "pass"\njudge = "llm:openai:j@localhost"',
        ":2: cannot read 'openai:j@localhost': write openai:NAME@BASE_URL",
    ),
    "a strategy without its number": (
        'strategies = ["best_of_n"]',
        ":1: strategy 'best_of_n': write best_of_n:N with N",
    ),
    "a strategy of nothing": (
        f'{AUDIT}strategies = ["direct", "best_of_n:0"]',
        ":3: strategy 'best_of_n:0': write best_of_n:N with N from 1 to",
    ),
    "text without quotes": (
        "\nmode = enforce  # yes",
        ':2: not valid TOML: Invalid value: text stands in quotes, "enforce"',
    ),
    "text without quotes in a list": ("strategies = [best_of_n:4]", 'text stands in quotes, "best_of_n:4"'),
    "no value at all": ("mode =", ":1: not valid TOML: Invalid value"),
    "endless time": ("deadline_s = inf", ":1: deadline_s total is inf: it must be a finite number, or be left out"),
    "no number of seconds": ("deadline_s = { audit = nan }", ":1: deadline_s audit is nan: it must be a finite number"),
    "a limit without end": ("[limits]\nrotate_mb = inf", ":2: rotate_mb is inf: it must be a finite number"),
    "a share that is no number": ("fail_under = nan", ":1: fail_under: "),
    "two routes of one name": (
        '[[route]]\nname = "a"\nmodel = "x"\n[[route]]\nmodel = "y"\nname = "a"',
        ":6: the name 'a' is that of route 1 in the metrics: give it another",
    ),
    "a route called as one by its model": (
        '[[route]]\nmodel = "x"\n[[route]]\nmodel = "y"\nname = "x"',
        ":5: the name 'x' is that of route 1",
    ),
    "a route called as what has none": (
        '[[route]]\nmodel = "x"\nname = "default"',
        ":3: the name 'default' is that of what",
    ),
    "a header that there cannot be": (
        '[[route]]\nheader = "x y=1"',
        ":2: no header has the name 'x y': letters, digits and -, without blanks",
    ),
    "a rewrite that never happens": (f'{AUDIT}mode = "enforce"\non_fail = "rewrite"\nrevisions = 0', ":5: on_fail"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    text, said = MISTAKES[name]
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_policies(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "routes",
    [
        'model = "free-x"\n[[route]]\nmodel = "free*"',  # the narrow one first
        'model = "free*"\n[[route]]\nmodel = "f*"',
        'model = "a?"\n[[route]]\nmodel = "a*"',
        'model = "?*"\n[[route]]\nheader = "x-team=a"',  # an empty name matches the second alone
        'model = "a[xy]"\n[[route]]\nmodel = "ax*"',
        'model = "*"\nheader = "x-team=a"\n[[route]]\nmodel = "a"',
        'header = "x-team=a"\n[[route]]\nheader = "x-team=b"',
    ],
)
def test_routes_that_overlap_are_taken(tmp_path: Path, routes: str) -> None:
    assert len(read_policies(written(tmp_path, f"[[route]]\n{routes}\n")).routes) == 2


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("small-*", "small-", True),
        ("a?", "ab", True),
        ("a?", "abc", False),
        ("a[bc]", "ac", True),
        ("a[!bc]", "ac", False),
        ("gpt-4o[1]*", "gpt-4o[1]x", False),
        ("gpt-4o[[]1]*", "gpt-4o[1]x", True),
        ("Strong", "strong", False),
    ],
)
def test_the_pattern_of_a_route(pattern: str, model: str, matches: bool) -> None:
    """As the gateway's page says."""
    assert Route(Policy(), pattern).matches(model, {}) is matches


def test_routes_without_names_are_told_apart(tmp_path: Path) -> None:
    routes = [
        'model = "m"\nheader = "x-team=a"',
        'model = "m"\nheader = "x-team=b"',
        'model = "default"',
        'model = "n"',
    ]
    policies = read_policies(written(tmp_path, "".join(f"[[route]]\n{one}\n" for one in routes)))
    assert [one.policy.route for one in policies.routes] == ["m", "m x-team=b", "route 3", "n"]


def test_a_key_of_the_top_is_taken_where_a_route_reads_it(tmp_path: Path) -> None:
    text = f'{AUDIT}mode = "observe"\non_fail = "rewrite"\n[[route]]\nmodel = "a"\nmode = "enforce"\n'
    assert read_policies(written(tmp_path, text)).routes[0].policy.on_fail == "rewrite"


def test_what_observe_does_in_any_case_may_be_said(tmp_path: Path) -> None:
    policies = read_policies(written(tmp_path, f'{AUDIT}mode = "observe"\non_fail = "annotate"'))
    assert policies.default.on_fail == "annotate"
    assert policies.notices == ()


IDLE = {
    "a rewrite that observe does not know": (
        f'{AUDIT}mode = "observe"\non_fail = "rewrite"',
        [":4: on_fail has no effect here (mode 'observe'): it is for mode = \"enforce\""],
    ),
    "two keys that wait for enforce": (
        f'{AUDIT}mode = "annotate"\non_audit_error = "open"\non_fail = "rewrite"',
        [":4: on_audit_error has no effect", ":5: on_fail has no effect"],
    ),
    "a threshold that pass does not know": (
        "fail_under = 0.5",
        [":1: fail_under has no effect here (mode 'pass'): it is for a mode or a strategy that audits"],
    ),
    "the time of stages that nobody reaches": (
        'mode = "pass"\ndeadline_s = { audit = 5, rewrite = 3, total = 9 }',
        [
            ":2: deadline_s audit has no effect here (mode 'pass'): it is for a mode or a strategy that audits",
            ":2: deadline_s rewrite has no effect here (mode 'pass'): it is for mode",
        ],
    ),
    "the time of an audit that a route makes": (
        f'{AUDIT}mode = "pass"\ndeadline_s = {{ audit = 5 }}\n[[route]]\nmodel = "a"\nmode = "observe"',
        [],
    ),
    "a rewriter that nobody asks": (f'{AUDIT}mode = "enforce"\nrewriter = "replay:r"', [":4: rewriter has no effect"]),
    "a prior that nobody takes": (f'{AUDIT}mode = "enforce"\nprior = "p.json"', [":4: prior has no effect"]),
    "what a route to enforce does not give its neighbour": (
        f'{AUDIT}[[route]]\nmodel = "a"\nmode = "enforce"\n[[route]]\nmodel = "b"\nstop_text = "No."',
        [":8: stop_text has no effect"],
    ),
    "what the strategy of a pass policy reads": (
        f'{AUDIT}strategies = ["direct", "audited"]\nfail_under = 0.5\nrevisions = 2\nplanner = "replay:r"',
        [],
    ),
}


@pytest.mark.parametrize("name", IDLE)
def test_a_key_without_effect_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    text, said = IDLE[name]
    path = written(tmp_path, text)
    notices = read_policies(path).notices
    assert len(notices) == len(said)
    for notice, part in zip(notices, said, strict=True):
        assert notice.startswith(f"{path}{part}")


def test_a_route_to_pass_inherits_the_strategies(tmp_path: Path) -> None:
    text = f'{AUDIT}mode = "observe"\nstrategies = ["direct", "best_of_n:4"]\n[[route]]\nmodel = "a"\nmode = "pass"\n'
    policies = read_policies(written(tmp_path, text))
    assert policies.default.strategies == policies.routes[0].policy.strategies == ("direct", "best_of_n:4")
    assert policies.notices == ()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the policy"):
        read_policies(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "model", "strategy"),
    [
        ("gpt-4o", "gpt-4o", None),
        ("gpt-4o@best_of_n:8", "gpt-4o", "best_of_n:8"),
        ("org/model@v2@adaptive", "org/model@v2", "adaptive"),
        ("foo@bar", "foo@bar", None),
        ("foo@", "foo@", None),
        ("@direct", "@direct", None),
        ("foo@slow", "foo", "slow"),  # a strategy, though not one for live traffic: refused, not a model's name
        ("foo@directly", "foo@directly", None),
    ],
)
def test_a_strategy_is_split_off_only_if_it_is_one(name: str, model: str, strategy: str | None) -> None:
    assert split_strategy(name) == (model, strategy)
