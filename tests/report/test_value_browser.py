"""The value pages in a real browser: quiet, readable, printable, and unmoved by hostile texts."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser
from tests.browser import opened
from tests.report.test_browser import A4, LOW_CONTRAST, OVERFLOWING, open_items
from tests.report.value_actors import MARKUP
from tests.report.value_evidence import filled_gold, judge_errors
from tests.report.value_runs import deserter, half_hearted, hostile_values  # noqa: F401 - fixtures, used by their names

from akrasia.report import write

pytestmark = pytest.mark.browser

NAMES = ["one", "several", "hostile", "gold"]


@pytest.fixture(scope="module")
def pages(
    half_hearted: Path,  # noqa: F811
    deserter: Path,  # noqa: F811
    hostile_values: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("value-pages")
    runs = {"one": [half_hearted], "several": [half_hearted, deserter], "hostile": [hostile_values]}
    written = {name: Path(write(those, folder / f"{name}.html").out) for name, those in runs.items()}
    gold = filled_gold(half_hearted, folder / "gold.jsonl", labels=400)
    errors = judge_errors(half_hearted, folder / "judge.json")
    page = write([half_hearted], folder / "gold.html", gold=gold, calibration=errors).out
    return {**written, "gold": Path(page)}


@pytest.mark.parametrize("name", NAMES)
async def test_the_page_asks_for_nothing_and_complains_about_nothing(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    async with opened(browser, pages[name].as_uri()) as tab:
        await open_items(tab)
        await tab.page.wait_for_timeout(200)
        assert tab.left_the_page == []
        assert tab.errors == []


@pytest.mark.parametrize(("width", "name"), list(product([360, 900], NAMES)))
async def test_nothing_overflows(browser: Browser, pages: dict[str, Path], width: int, name: str) -> None:
    async with opened(browser, pages[name].as_uri(), viewport={"width": width, "height": 800}) as tab:
        await open_items(tab)
        assert await tab.page.evaluate(OVERFLOWING) == {"page": 0, "wide": []}
        sides = "[...document.querySelectorAll('table')].map((t) => t.getBoundingClientRect().right)"
        inner = await tab.page.evaluate("document.querySelector('main').getBoundingClientRect().right")
        assert all(right <= inner + 0.5 for right in await tab.page.evaluate(sides))


@pytest.mark.parametrize(("scheme", "name"), list(product(["light", "dark"], ["one", "several", "gold"])))
async def test_text_has_contrast_in_both_themes(
    browser: Browser, pages: dict[str, Path], scheme: Any, name: str
) -> None:
    async with opened(browser, pages[name].as_uri(), color_scheme=scheme) as tab:
        await open_items(tab)
        seen = await tab.page.evaluate(LOW_CONTRAST)
        assert seen["checked"] > 500
        assert seen["found"] == []


@pytest.mark.parametrize(("name", "most"), [("one", 20), ("several", 40)])
async def test_it_prints_on_a4(browser: Browser, pages: dict[str, Path], name: str, most: int) -> None:
    async with opened(browser, pages[name].as_uri(), color_scheme="dark") as tab:
        paper = await tab.page.pdf(prefer_css_page_size=True)
        sizes = {
            (round(float(width)), round(float(height)))
            for width, height in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", paper)
        }
        assert sizes == {A4}
        assert 5 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) <= most
        await tab.page.set_viewport_size({"width": 665, "height": 980})
        await tab.page.emulate_media(media="print")
        assert await tab.page.evaluate(OVERFLOWING) == {"page": 0, "wide": []}


async def test_evidence_is_marked_in_the_cards(browser: Browser, pages: dict[str, Path]) -> None:
    async with opened(browser, pages["one"].as_uri(), java_script_enabled=False) as tab:
        cards = tab.page.locator(".card")
        assert await cards.count() == 10
        assert await cards.first.locator(".opened").is_visible()
        second = cards.nth(1)
        assert not await second.locator(".opened").is_visible()
        await second.locator("summary").click()
        assert await second.locator(".opened").is_visible()
        marked = await second.locator(".quoted mark").all_inner_texts()
        assert len(marked) >= 3
        assert all(text.startswith("I act for ") for text in marked)


async def test_hostile_texts_are_inert(browser: Browser, pages: dict[str, Path]) -> None:
    async with opened(browser, pages["hostile"].as_uri()) as tab:
        await open_items(tab)
        page = tab.page
        assert await page.evaluate("window.pwned") is None
        assert await page.locator(".text script, .text img, .text svg, .text a, .text style").count() == 0
        assert await page.locator("script").count() == 1
        assert await page.evaluate("document.querySelectorAll('style').length") == 1
        action = await page.locator(".card").first.locator(".text").last.inner_text()
        assert MARKUP in action
        assert "U+202E" in action
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in action
        assert "{{ 7 * 7 }}" in action
        assert await page.get_by_text("more characters are left out here.").count() >= 10


async def test_ids_are_unique_and_every_reference_is_met(browser: Browser, pages: dict[str, Path]) -> None:
    async with opened(browser, pages["several"].as_uri()) as tab:
        ids = await tab.page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids))
        used = await tab.page.evaluate(
            "[...document.querySelectorAll('[clip-path], [href^=\"#\"]')].map((element) =>"
            " (element.getAttribute('clip-path') || element.getAttribute('href')).replace('url(', '').replace(')', ''))"
        )
        assert used
        assert {name.removeprefix("#") for name in used} <= set(ids)
