"""`akrasia suite list | show | sample | lint | export | split | stats`: which suites there are and what they ask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from akrasia.cli.output import count, counted, notice, print_json, table
from akrasia.core import InputError, Item, Suite
from akrasia.core.registry import near_names

if TYPE_CHECKING:
    from akrasia.suites import SuiteSource
    from akrasia.suites.valdi_coverage import Coverage

app = typer.Typer(help="List suites, look at what they ask, check and export them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed that a procedural suite generates from.")]
Name = Annotated[str, typer.Argument(metavar="SUITE", help="Name or JSONL file of a suite.")]


@app.command("list")
def list_suites(json: Json = False) -> None:
    """Name every suite, with its variants and settings."""
    from akrasia.suites import SUITES

    sources = {name: SUITES.get(name) for name in SUITES.names()}
    if json:
        print_json([_described(name, source) for name, source in sources.items()])
        return
    for name, source in sources.items():
        needs = f"  (needs akrasia[{source.extra}])" if source.extra else ""
        print(f"{name}: {source.description}{needs}")
        if source.variants:
            print("    variants: " + ", ".join(f"{name}:{variant}" for variant in source.variants))
        if source.settings:
            print("    settings: " + ", ".join(_setting(key, value) for key, value in _defaults(source).items()))
    print("A file of your own: give its path (JSONL).")


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="Name or JSONL file of a suite.")],
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of items to show in full.")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Describe a suite, or show some of its items in full.

    Items that no run could use are refused, as `akrasia run` refuses them.
    """
    from akrasia.runs.item_checks import check_suite
    from akrasia.suites import load_suite

    loaded = load_suite(suite, seed=seed)
    check_suite(loaded)
    if ids:
        _print_items(_chosen(loaded, ids), json)
    elif json:
        print_json(_summary(loaded))
    else:
        summary = _summary(loaded)
        rows = [[key, _shown(value)] for key, value in summary.items()]
        print(table(["suite", loaded.name], rows[1:]))


@app.command()
def sample(
    suite: Annotated[str, typer.Argument(help="Name or JSONL file of a suite.")],
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many items, spread evenly.")] = 3,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show items spread evenly over a suite."""
    from akrasia.suites import load_suite

    items = load_suite(suite, seed=seed).items
    number = min(number, len(items))
    _print_items([items[index * len(items) // number] for index in range(number)], json)


@app.command()
def lint(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A JSONL file of scenarios.")],
    json: Json = False,
) -> None:
    """Check scenarios of your own by the rules of the shipped ones; exit 1 when something is wrong.

    Each line names file and line, the rule, what is wrong, and the mend.
    """
    from akrasia.suites.valdi_lint import lint

    report = lint(path)
    if json:
        print_json(report)
    else:
        for found in report.findings:
            print(f"{path}:{found.line}: {found.rule}: {found.where}: {found.message}; {found.mend}")
        findings = counted(len(report.findings), "finding")
        families = counted(report.families, "family", "families")
        print(f"{findings} in {counted(report.texts, 'text')} of {families}")
    if report.findings:
        raise typer.Exit(1)


@app.command()
def export(
    suite: Name,
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write: .jsonl or .parquet.")],
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write a suite as JSONL or Parquet, with a dataset card README.md beside it; a file that is there is kept."""
    from akrasia.suites import load_suite
    from akrasia.suites.valdi_card import sampling_note
    from akrasia.suites.valdi_export import export_suite

    loaded = load_suite(suite, seed=seed)
    path, card = export_suite(loaded, out)
    if json:
        counts = {"items": len(loaded.items), "fingerprint": loaded.fingerprint}
        print_json({"out": str(path), "card": str(card), **counts, "sampling": loaded.sampling})
    else:
        print(f"{path}: {counted(len(loaded.items), 'item')}; {card}: its card")
    if sampling_note(loaded):
        notice(sampling_note(loaded))


@app.command()
def split(
    suite: Name,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for open.jsonl, holdout.jsonl.")],
    holdout: Annotated[float, typer.Option(help="Share of the families of each domain to hold out.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Which families; keep it to yourself.")] = 0,
    json: Json = False,
) -> None:
    """Divide a suite by family into an open part and a private holdout."""
    from akrasia.suites import load_suite
    from akrasia.suites.valdi_export import write_split

    parts = dict(zip(("open", "holdout"), write_split(load_suite(suite), holdout, seed, out), strict=True))
    if json:
        print_json(parts)
        return
    for part in parts.values():
        print(f"{part.path}: {counted(part.items, 'item')} in {counted(part.families, 'family', 'families')}")


@app.command()
def stats(suite: Name, seed: Seed = 0, json: Json = False) -> None:
    """Coverage of a suite: domains, stakes, values in tension, openings, near duplicates."""
    from akrasia.suites import load_suite
    from akrasia.suites.valdi_coverage import coverage

    covered = coverage(load_suite(suite, seed=seed).items)
    if json:
        print_json(covered)
    else:
        _print_coverage(covered)


def _print_coverage(covered: Coverage) -> None:
    from akrasia.suites.valdi_coverage import NEAR_DUPLICATE

    families = covered.families
    print(f"{count(covered.items)} items in {count(families)} families\n")
    if covered.scenarios:
        _print_scenarios(covered)
    rows = [[words, count(number), f"{number / families:.1%}"] for words, number in covered.openings.items()]
    print(table(["opening", "families", "share"], rows) + "\n")
    nearest = "none" if covered.nearest is None else f"{covered.nearest:.2f}"
    print(
        f"near duplicates: {len(covered.near_duplicates)} pairs at cosine {NEAR_DUPLICATE} or above; nearest {nearest}"
    )
    for line in covered.unmet:
        print(f"unmet: {line}")


def _print_scenarios(covered: Coverage) -> None:
    """What only scenarios have: variants, domains and stakes, values in tension."""
    families = covered.families
    print(table(["variant", "items"], [[name, count(number)] for name, number in covered.variants.items()]) + "\n")
    levels = sorted({level for row in covered.stakes.values() for level in row}, key="low medium high".find)
    rows = [
        [domain, count(number), *(count(covered.stakes.get(domain, {}).get(level, 0)) for level in levels)]
        for domain, number in covered.domains.items()
    ]
    print(table(["domain", "families", *(f"{level} stakes" for level in levels)], rows) + "\n")
    if covered.values:
        rows = [[name, count(number), f"{number / families:.1%}"] for name, number in covered.values.items()]
        print(table(["value in tension", "families", "share"], rows) + "\n")
        domains = list(covered.group_pairs)
        pairs = covered.group_pairs[domains[0]]
        rows = [[pair, *(count(covered.group_pairs[domain][pair]) for domain in domains)] for pair in pairs]
        print(table(["groups in tension", *domains], rows) + "\n")


def _defaults(source: SuiteSource) -> dict[str, Any]:
    return msgspec.structs.asdict(source.settings()) if source.settings else {}


def _described(name: str, source: SuiteSource) -> dict[str, Any]:
    return {
        "name": name,
        "description": source.description,
        "variants": source.variants,
        "settings": _defaults(source),
        "extra": source.extra,
    }


def _setting(key: str, value: object) -> str:
    return key if value is None else f"{key}={value}"


def _shown(value: object) -> str:
    """A fact for people: numbers with commas, settings as in a configuration file."""
    if isinstance(value, int):
        return count(value)
    if isinstance(value, dict):
        given = {key: one for key, one in value.items() if one is not None and one != ()}
        return ", ".join(f"{key} = {msgspec.json.encode(one).decode()}" for key, one in given.items()) or "none"
    return str(value)


def _summary(suite: Suite) -> dict[str, Any]:
    """What a suite is, in figures."""
    clusters = {item.cluster if item.cluster is not None else ("item", item.id) for item in suite.items}
    utilities = sorted({item.utility or "none" for item in suite.items})
    return {
        "name": suite.name,
        "description": suite.description,
        "items": len(suite.items),
        "clusters": len(clusters),
        "utilities": ", ".join(utilities),
        "sampling": msgspec.to_builtins(suite.sampling),
        "fingerprint": suite.fingerprint,
    }


def _chosen(suite: Suite, ids: list[str]) -> list[Item]:
    by_id = {item.id: item for item in suite.items}
    for wanted in ids:
        if wanted not in by_id:
            near = near_names(wanted, list(by_id)) if len(by_id) <= 50 else "; `akrasia suite sample` shows some"
            raise InputError(f"suite {suite.name!r} has no item {wanted!r}{near}")
    return [by_id[wanted] for wanted in ids]


def _print_items(items: list[Item], json: bool) -> None:
    if json:
        print_json(items)
        return
    for item in items:
        facts = [
            f"{key}: {value}" for key in ("target", "utility", "cluster") if (value := getattr(item, key)) is not None
        ]
        print(f"== {item.id}  {'  '.join(facts)}")
        for message in item.input:
            print(f"[{message.role}] {message.content}")
        print()
