"""One participant's page."""

from __future__ import annotations

from collections.abc import Sequence

from ..derivatives.results import EncoderMaps, ParticipantResults, ReliabilityMaps
from .accounting_figure import accounting_figure
from .control import control_table, control_words, controls_of, without_control
from .control_figure import control_figure, control_layers_figure
from .estimation import chosen_of
from .estimation_figure import estimation_figure
from .estimation_tables import dropped_table, estimation_tables
from .estimation_words import estimation_words
from .examples import Examples, example_figure
from .layer_figure import CV_R, CV_R2, SHARE, SPLIT, WEIGHT, layer_figure, layer_scores
from .leakage import audit_of
from .leakage_figure import leakage_figure
from .leakage_tables import shared_tables, subset_tables
from .leakage_words import leakage_verdicts
from .map_figure import map_figures
from .methods_text import participant_methods, references
from .page import Page, render
from .provenance import (
    data_facts,
    elapsed_table,
    headline_facts,
    incidents_of,
    notes_of,
    provenance_facts,
    software_table,
)
from .reliability_figure import reliability_figure
from .slice_browser import slice_browser
from .tables import accounting_tables, layer_table, other_encoding_table, reliability_table
from .uncertainty import uncertainty_table, uncertainty_words, variances_of
from .uncertainty_figure import uncertainty_figure
from .words import participant_verdicts, roi_sentences


def participant_page(
    results: ParticipantResults,
    maps: ReliabilityMaps | None = None,
    encoder: EncoderMaps | None = None,
    examples: Examples | None = None,
    thumbnails: bytes | None = None,
    crashes: Sequence[str] = (),
) -> Page:
    """What was found in one participant: verdicts in words, figures, exact numbers, methods, provenance.

    Parameters
    ----------
    results : what the participant level wrote
    maps : the reliability maps that it wrote; without them their figure is left out
    encoder : the encoder's maps; without them their figures are left out
    examples : test images to show, as ``examples_of`` chooses them
    thumbnails : their pictures, see ``example_figure``
    crashes : paths of the crash files of this participant's runs that failed

    Notes
    -----
    METHODS, "Synthetic against real: five rows, never one". Rows that could not be computed are shown as n/a.
    """
    summary = results.summary
    layers = [str(layer) for layer in summary.get("layers", [])]
    rows = accounting_figure(results.accounting)
    controls, encoding = controls_of(results.encoding), without_control(results.encoding)
    by_layer = layer_figure(encoding, layers, str(summary.get("layer_selection", "")))
    compared = (control_figure(controls), control_layers_figure(results.encoding, layers))
    reliable = None if maps is None else reliability_figure(maps, summary.get("min_ncsnr"))
    chosen = chosen_of(summary)
    choices = None if chosen is None else estimation_figure(chosen)
    variances = () if results.uncertainty is None else variances_of(results.uncertainty)
    parts = uncertainty_figure(variances)
    audit = audit_of(results)
    by_source = None if audit is None else leakage_figure(audit)
    mosaics = () if encoder is None else map_figures(encoder)
    shown = None if examples is None else example_figure(examples, thumbnails)
    layer_tables = [
        layer_table(layer_scores(encoding, metric, layers)) for metric in (CV_R, CV_R2, SHARE, SPLIT, WEIGHT)
    ]
    html = render(
        "participant.html.j2",
        participant=results.participant,
        task=results.task,
        space=results.space,
        facts=headline_facts(summary),
        notes=notes_of(summary),
        verdicts=participant_verdicts(results.accounting),
        sentences=roi_sentences(results.accounting),
        accounting_figure=rows,
        accounting_tables=accounting_tables(results.accounting),
        layer_figure=by_layer,
        map_figures=mosaics,
        slice_browser=None if encoder is None or not mosaics else slice_browser(encoder),
        example_figure=shown,
        encoding_tables=[t for t in (*layer_tables, other_encoding_table(encoding)) if t is not None],
        control_words=control_words(controls, summary) if controls else (),
        control_figures=[figure for figure in compared if figure is not None],
        control_table=control_table(controls) if controls else None,
        estimation_words="" if chosen is None else estimation_words(chosen, summary),
        estimation_figure=choices,
        estimation_tables=() if chosen is None else estimation_tables(chosen),
        dropped_table=dropped_table(results.dropped_trials),
        reliability_figure=reliable,
        reliability_table=reliability_table(results.reliability, "min_ncsnr" in summary),
        uncertainty_words=uncertainty_words(variances) if variances else (),
        uncertainty_figure=parts,
        uncertainty_table=uncertainty_table(variances),
        leakage_verdicts=() if audit is None else leakage_verdicts(audit),
        leakage_figure=by_source,
        shared_tables=() if audit is None else shared_tables(audit),
        subset_tables=() if audit is None else subset_tables(audit),
        data_facts=data_facts(summary),
        methods=participant_methods({**summary, "task": results.task, "space": results.space}),
        references=references(summary),
        incidents=incidents_of(summary, crashes),
        provenance=provenance_facts(summary),
        software=software_table(summary),
        elapsed=elapsed_table(summary),
        command=str(summary.get("command", "")),
    )
    return Page(
        html,
        tuple(
            figure
            for figure in (rows, shown, by_layer, *mosaics, *compared, by_source, choices, reliable, parts)
            if figure is not None
        ),
    )
