"""A browser that reads pages as people do: on two screens, by day and by night, checking that all can."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCREENS = (1280, 390)
SCHEMES = ("light", "dark")
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_SERIOUS = ("serious", "critical")
_OPEN_ALL = "for (const fold of document.querySelectorAll('details')) fold.open = true"
# Rows of a table are alike, and what is inside a drawing is hidden behind its alternative text: the checker
# would take minutes over them.
_CHECKED_ROWS = 5
_SHORTEN = f"""
for (const body of document.querySelectorAll('tbody'))
  for (const row of [...body.rows].slice({_CHECKED_ROWS})) row.remove();
for (const drawing of document.querySelectorAll('svg')) drawing.replaceChildren();
"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True)
class Sight:
    """One page as one reader has it.

    Attributes
    ----------
    width, scheme : pixels of the screen; ``light`` or ``dark``
    violations : serious and critical ones that axe-core finds, with the first elements of each
    console : what the browser complains of
    requests : addresses asked for beside the page's own
    overflow : pixels by which the page is wider than the screen
    """

    width: int
    scheme: str
    violations: tuple[str, ...]
    console: tuple[str, ...]
    requests: tuple[str, ...]
    overflow: int

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is wrong, in words."""
        wide = (f"{self.overflow} px wider than the screen",) if self.overflow > 0 else ()
        found = (*self.violations, *self.console, *(f"asks for {url}" for url in self.requests), *wide)
        return tuple(f"{self.width} px, {self.scheme}: {fault}" for fault in found)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium as the system has it; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(_PROGRAMS)} is installed, so no page is looked at")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def faults_of(browser: Any) -> Callable[[Path], list[str]]:
    """What is wrong with a page on any screen, in either scheme; folded parts are opened."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

    def look(path: Path) -> list[str]:
        sights = [_sight(browser, axe.Axe(), path, width, scheme) for width in SCREENS for scheme in SCHEMES]
        return [fault for sight in sights for fault in sight.faults]

    return look


def _sight(browser: Any, axe: Any, path: Path, width: int, scheme: str) -> Sight:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    console: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: console.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: console.append(f"error: {error}"))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.evaluate(_OPEN_ALL)
    overflow = int(page.evaluate(_OVERFLOW))
    heard, asked = tuple(console), tuple(url for url in requests if not _is_own(url, path))
    page.evaluate(_SHORTEN)
    found = axe.run(page).response["violations"]
    violations = tuple(_words(violation) for violation in found if violation["impact"] in _SERIOUS)
    context.close()
    return Sight(width, scheme, violations, heard, asked, overflow)


def _is_own(url: str, path: Path) -> bool:
    return url == path.as_uri() or url.startswith("data:")


def _words(violation: dict[str, Any]) -> str:
    places = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
    return f"{violation['impact']}, {violation['id']} ({len(violation['nodes'])} places): {places}"
