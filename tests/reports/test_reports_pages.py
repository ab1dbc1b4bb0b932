"""Pages stand alone, parse, name their figures for those who cannot see them, and trust no text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from bidsapp_synthfmri.derivatives.results import GroupResults, ParticipantResults, ReliabilityMaps
from bidsapp_synthfmri.reports.decoding_scores import contrasts_of, decoding_scores
from bidsapp_synthfmri.reports.decoding_tables import contrast_tables, decoding_tables
from bidsapp_synthfmri.reports.drawing import MOST_ROIS
from bidsapp_synthfmri.reports.failure import failure_page
from bidsapp_synthfmri.reports.group import group_page
from bidsapp_synthfmri.reports.page import Page
from bidsapp_synthfmri.reports.participant import participant_page
from bidsapp_synthfmri.reports.reliability_figure import reliability_figure

HOSTILE = "<script>alert('$x_1$')</script>\"&"
ROI_SIZES = {"EarlyVis": 495, "LOC": 342, "OPA": 288, "PPA": 331, "RSC": 229}
SELECTED = {
    "min_ncsnr": 0.2,
    "n_voxels_measured": 1685,
    "below_min_ncsnr": {"EarlyVis": 130, "all": 431},
    "fd_threshold": 0.5,
    "n_volumes": 27548,
    "n_censored": 312,
    "most_censored_in_a_run": 41,
}
_VOID = {"meta", "link", "br", "hr", "img", "input"}


class _Checked(HTMLParser):
    """Collects tags, and what is wrong with their nesting or their references."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        for key in ("src", "href"):
            target = found.get(key) or "#"
            if not target.startswith(("#", "data:")):
                self.wrong.append(f"{tag} refers to {target}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _parsed(page: Page) -> _Checked:
    checked = _Checked()
    checked.feed(page.html)
    checked.close()
    return checked


@pytest.fixture(scope="session")
def pages(
    participant_results: ParticipantResults,
    participant_without_repeats: ParticipantResults,
    participant_with_control: ParticipantResults,
    group_results: GroupResults,
    group_skipped: GroupResults,
    maps_of: Callable[..., ReliabilityMaps],
) -> dict[str, Page]:
    return {
        "participant": participant_page(participant_results),
        "with maps": participant_page(
            replace(participant_results, summary=participant_results.summary | SELECTED), maps_of(ROI_SIZES)
        ),
        "without repeats": participant_page(
            participant_without_repeats, maps_of({"PPA": 800}, repeats=False)
        ),
        "with control": participant_page(participant_with_control),
        "group": group_page(group_results),
        "skipped": group_page(group_skipped),
        "failure": failure_page("01", "bold.nii.gz is truncated", "Fetch it again", "logs/crash-01.txt"),
    }


NAMES = ["participant", "with maps", "without repeats", "with control", "group", "skipped", "failure"]


@pytest.mark.parametrize("name", NAMES)
def test_page_is_balanced_and_refers_to_nothing_outside(pages: dict[str, Page], name: str) -> None:
    checked = _parsed(pages[name])
    assert checked.wrong == []
    assert checked.open == []
    assert "script" not in {tag for tag, _ in checked.tags}
    assert not re.search(r"url\((?!#)|@import", pages[name].html)


@pytest.mark.parametrize("name", NAMES)
def test_identifiers_are_unique_and_references_resolve(pages: dict[str, Page], name: str) -> None:
    tags = _parsed(pages[name]).tags
    identifiers = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    targets = {target for _, attrs in tags if (target := attrs.get("href") or "").startswith("#")}
    targets |= {f"#{found}" for found in re.findall(r"url\(#([^)]+)\)", pages[name].html)}
    assert targets <= {f"#{identifier}" for identifier in identifiers}


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("participant", ["accounting", "layers", "uncertainty"]),
        ("with maps", ["accounting", "layers", "reliability", "uncertainty"]),
        ("without repeats", ["accounting", "layers"]),
        ("with control", ["accounting", "layers", "control", "controllayers", "uncertainty"]),
        ("group", ["decoding", "learning", "confusion"]),
        ("skipped", []),
        ("failure", []),
    ],
)
def test_every_figure_has_alternative_text_and_caption(
    pages: dict[str, Page], name: str, figures: list[str]
) -> None:
    page = pages[name]
    assert [figure.name for figure in page.figures] == figures
    drawings = [attrs for tag, attrs in _parsed(page).tags if tag == "svg"]
    assert [drawing["role"] for drawing in drawings] == ["img"] * len(figures)
    assert [drawing["aria-label"] for drawing in drawings] == [figure.alt for figure in page.figures]
    for figure in page.figures:
        assert len(figure.alt) > 80
        assert figure.caption
        assert figure.name.isalnum()


def test_figure_files_are_svg_in_plain_colours_without_a_date(pages: dict[str, Page]) -> None:
    for figure in pages["group"].figures:
        root = ElementTree.fromstring(figure.svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in figure.svg
        assert "<metadata" not in figure.svg
        assert "dc:date" not in figure.svg


def test_page_colours_of_figures_follow_the_scheme(pages: dict[str, Page]) -> None:
    page = pages["participant"].html
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert "var(--fig-ink)" in drawing
    assert "#0072b2" not in drawing
    for used in set(re.findall(r"var\((--[a-z-]+)\)", page)):
        assert f"{used}:" in page, f"{used} is used and never set"


def test_pages_are_the_same_twice(group_results: GroupResults, pages: dict[str, Page]) -> None:
    assert group_page(group_results) == pages["group"]


def test_hostile_names_are_escaped_everywhere(
    participants_of: Callable[[dict[str, int]], ParticipantResults],
    group_of: Callable[..., GroupResults],
) -> None:
    results = participants_of({HOSTILE: 40, "all": 80})
    texts = {"command": HOSTILE, "test_rule": HOSTILE, "warnings": [HOSTILE]}
    summary = {**results.summary, "notes": [HOSTILE], **texts}
    participant = participant_page(replace(results, summary=summary), crashes=[HOSTILE])
    group = group_of(["01", HOSTILE], [HOSTILE, "all"])
    confused = group.confusion.replace({"animal": HOSTILE})
    texts = {"classes": [HOSTILE], "skipped": [HOSTILE], "label_source": HOSTILE}
    grouped = group_page(replace(group, confusion=confused, summary={**group.summary, **texts}))
    failed = failure_page(HOSTILE, HOSTILE, HOSTILE, HOSTILE, [HOSTILE])
    for page in (participant, grouped, failed):
        assert "<script" not in page.html
        checked = _parsed(page)
        assert checked.wrong == []
        assert HOSTILE in "".join(checked.text)
        for figure in page.figures:
            assert HOSTILE in "".join(ElementTree.fromstring(figure.svg).itertext())


def test_notes_come_before_the_findings(pages: dict[str, Page]) -> None:
    html = pages["participant"].html
    assert 0 < html.index("Weights are random") < html.index('id="findings"')


def test_random_weights_are_named_even_without_a_note(participant_results: ParticipantResults) -> None:
    silent = {**participant_results.summary, "notes": []}
    assert "weights are random" in participant_page(replace(participant_results, summary=silent)).html
    trained = {**silent, "weights": "imagenet"}
    assert "random, not trained" not in participant_page(replace(participant_results, summary=trained)).html


def test_rows_without_repeats_are_shown_as_missing(pages: dict[str, Page]) -> None:
    html = pages["without repeats"].html
    assert "Too few test images were shown more than once" in html
    assert "<td>n/a</td>" in html
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)


def test_skipped_decoding_is_explained(pages: dict[str, Page]) -> None:
    html = pages["skipped"].html
    assert "No decoder was trained" in html
    assert "Decoding was skipped: the images have no labels." in html


def test_one_participant_is_not_called_a_population(group_of: Callable[..., GroupResults]) -> None:
    html = group_page(group_of(["01"], ["all"])).html
    assert "They say nothing of how often other people would show the same" in html
    assert "mean over participants" not in html


def test_a_summary_with_little_in_it_makes_a_page(participant_results: ParticipantResults) -> None:
    page = participant_page(replace(participant_results, summary={"weights": None}))
    assert _parsed(page).wrong == []


def test_nothing_computed_makes_a_page(participant_results: ParticipantResults) -> None:
    empty = replace(
        participant_results,
        accounting=participant_results.accounting.assign(value=math.nan, ci_low=math.nan, ci_high=math.nan),
        encoding=participant_results.encoding.iloc[:0],
        reliability=participant_results.reliability.iloc[:0],
        uncertainty=None,
    )
    page = participant_page(empty)
    assert page.figures == ()
    assert "none of the five rows could be computed" in page.html


def test_the_reliability_figure_says_values_and_threshold_in_words(
    maps_of: Callable[..., ReliabilityMaps],
) -> None:
    maps = maps_of(ROI_SIZES)
    figure = reliability_figure(maps, 0.2)
    assert figure is not None
    mean = maps.ncsnr[maps.voxels.membership[0]].mean()
    assert f"EarlyVis {mean:.2f}".replace(" 0.", " .") in figure.alt
    assert "A dashed line at 0.2" in figure.alt
    text = "".join(ElementTree.fromstring(figure.svg).itertext())
    kept = float(np.mean(maps.ncsnr >= 0.2))
    assert f"{100 * kept:.1f}% kept" in text
    assert "--min-ncsnr 0.2" in text
    plain = reliability_figure(maps, None)
    assert plain is not None
    assert "kept" not in "".join(ElementTree.fromstring(plain.svg).itertext())
    assert "dashed" not in plain.alt.lower() + plain.caption.lower()


def test_the_reliability_figure_of_many_regions_has_some_of_them_and_says_so(
    maps_of: Callable[..., ReliabilityMaps],
) -> None:
    figure = reliability_figure(maps_of({f"area{number}": 9 for number in range(40)}), None)
    assert figure is not None
    assert f"{MOST_ROIS} of 41 regions are drawn" in figure.caption
    assert "all voxels" in figure.alt


def test_thresholds_are_in_facts_methods_and_the_table_s_note(pages: dict[str, Page]) -> None:
    text = " ".join(" ".join(_parsed(pages["with maps"]).text).split())
    assert "Voxels left out, ncsnr below 0.2 EarlyVis 130, all voxels 431" in text
    assert "Volumes censored, moved more than 0.5 mm 312 of 27,548, at most 41 in one run" in text
    assert "framewise displacement above 0.5 mm took no part in any fit (312 volumes of 27,548)" in text
    assert (
        "Of 1,685 voxels, those with a noise-ceiling signal-to-noise ratio of at least 0.2 were kept" in text
    )
    assert "All voxels as measured, before some were left out for their ncsnr." in text
    plain = " ".join("".join(_parsed(pages["participant"]).text).split())
    assert "ncsnr below" not in plain
    assert "censored" not in plain


def test_methods_say_when_no_confounds_were_projected_out(participant_results: ParticipantResults) -> None:
    summary = participant_results.summary | {"confounds": []}
    html = participant_page(replace(participant_results, summary=summary)).html
    assert "were projected out of design and data; no confounds were." in html


def test_further_scores_of_the_encoder_are_in_words(pages: dict[str, Page]) -> None:
    html = pages["participant"].html
    assert "Correlation with single test responses, layers as selected" in html
    assert "test_r" not in html


def test_methods_text_is_in_sentences(pages: dict[str, Page]) -> None:
    html = pages["participant"].html
    assert "Held out as the test set were the 113 stimuli presented at least twice." in html
    assert "Cross-validation used 15 folds, one a session;" in html
    assert "Images were prepared as follows: shorter side to 256 px" in html


@pytest.mark.parametrize("name", ["participant", "group"])
def test_what_the_methods_text_cites_is_among_the_references(pages: dict[str, Page], name: str) -> None:
    html = pages[name].html
    assert "(Benjamini and Hochberg 1995)" in html
    assert "Benjamini, Yoav; Hochberg, Yosef (1995)." in html


def test_a_table_of_the_pool_does_not_repeat_whose_it_is(group_results: GroupResults) -> None:
    scores = decoding_scores(group_results.decoding)
    accuracies = decoding_tables(scores)[0]
    contrasts = contrast_tables(contrasts_of(group_results.contrasts), scores)
    assert accuracies.columns == ("Region", "Trained on", "Training images", "Accuracy", "Chance", "p", "q")
    assert "451 real trials of 113 images in 8 categories" in accuracies.note
    assert [table.columns[0] for table in contrasts] == ["Region", "Region", "Participant", "Participant"]
    assert {row[1] for row in contrasts[1].rows} == {"synthetic, “extra”"}
    for table in (accuracies, *contrasts):
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("page_of", ["participant", "group"])
def test_warnings_and_crash_files_are_told_or_their_absence(
    participant_results: ParticipantResults, group_of: Callable[..., GroupResults], page_of: str
) -> None:
    results = participant_results if page_of == "participant" else group_of(["01", "02"])
    make = participant_page if page_of == "participant" else group_page

    def html(crashes: list[str], **facts: object) -> str:
        return make(replace(results, summary={**results.summary, **facts}), crashes=crashes).html

    quiet = html([], warnings=[])
    assert "The run gave no warning." in quiet
    assert "No run is on record as failed." in quiet
    loud = html(["logs/a/crash-sub-01.txt"], warnings=["the cache is full"])
    assert "<li>the cache is full</li>" in loud
    assert "logs/a/crash-sub-01.txt" in loud
    assert "were not kept" in html([])


def test_the_container_is_told(participant_results: ParticipantResults) -> None:
    inside = {"container": {"Type": "docker", "Tag": "synthfmri:0.1"}}
    for facts, text in ((inside, "docker, synthfmri:0.1"), ({"container": {}}, "none")):
        page = participant_page(replace(participant_results, summary=participant_results.summary | facts))
        assert f"<dt>Container</dt><dd>{text}</dd>" in page.html


def test_failure_page_says_what_to_do_and_where_to_look(pages: dict[str, Page]) -> None:
    for text in ("bold.nii.gz is truncated", "Fetch it again", "logs/crash-01.txt"):
        assert text in pages["failure"].html
