"""The group's page."""

from __future__ import annotations

from collections.abc import Sequence

from ..derivatives.results import GroupResults
from .confusion_figure import confusion_figure
from .contrast_words import WHY_THEY_DISAGREE
from .decision_tables import decision_table, experiment_tables
from .decoding_controls import ceiling_of, control_sentences
from .decoding_figures import accuracy_figure, learning_figure
from .decoding_scores import contrasts_of, decoding_scores
from .decoding_tables import contrast_tables, decoding_tables
from .group_words import decoding_sentences, group_verdicts, participants_words
from .identification import identification_view
from .identification_figure import identification_figure
from .identification_tables import identification_tables
from .identification_words import METHOD, identification_sentences, identification_verdict
from .methods_text import group_methods, label_references, references
from .numbers import count
from .page import Page, render
from .provenance import Fact, elapsed_table, incidents_of, notes_of, provenance_facts, software_table
from .tables import Table
from .transfer import transfer_view
from .transfer_figure import transfer_figure
from .transfer_tables import transfer_tables
from .transfer_words import METHOD as TRANSFER_METHOD
from .transfer_words import transfer_sentences, transfer_verdict
from .unseen_words import unseen_verdict


def group_page(results: GroupResults, crashes: Sequence[str] = ()) -> Page:
    """What decoding found: verdicts in words, figures, exact numbers, methods, provenance.

    Parameters
    ----------
    results : what the group level wrote; without a decoding row the page says what was skipped and why
    crashes : paths of the crash files of the group's runs that failed
    """
    summary = results.summary
    scores = decoding_scores(results.decoding)
    contrasts = contrasts_of(results.contrasts)
    participants = tuple(str(label) for label in summary.get("participants", [])) or scores.participants
    classes = [str(name) for name in summary.get("classes", [])]
    main = str(summary.get("main_experiment"))
    accuracy = accuracy_figure(scores, ceiling_of(results.experiments, main))
    learning = learning_figure(scores)
    confused = confusion_figure(results.confusion)
    identified = identification_view(results.identification)
    identification = identification_figure(identified)
    transferred = transfer_view(results.transfer)
    transfer = transfer_figure(transferred)
    html = render(
        "group.html.j2",
        participants=participants,
        participants_words=participants_words(participants),
        facts=_headline(participants, classes, summary.get("skipped", [])),
        notes=notes_of(summary),
        skipped=[str(sentence) for sentence in summary.get("skipped", [])],
        verdicts=group_verdicts(
            scores, contrasts, participants, unseen_verdict(results.experiments, summary)
        ),
        sentences=decoding_sentences(scores),
        accuracy_figure=accuracy,
        control_sentences=control_sentences(results.experiments, main),
        learning_figure=learning,
        confusion_figure=confused,
        identification_figure=identification,
        identification_verdict=identification_verdict(identified),
        identification_sentences=identification_sentences(identified),
        identification_tables=identification_tables(identified),
        transfer_figure=transfer,
        transfer_verdict=transfer_verdict(transferred),
        transfer_sentences=transfer_sentences(transferred),
        transfer_tables=transfer_tables(transferred),
        decoding_tables=decoding_tables(scores) if scores.rows else (),
        decision_table=None if results.decisions is None else decision_table(results.decisions),
        experiment_tables=_experiment_tables(results),
        contrast_tables=contrast_tables(contrasts, scores),
        why_they_disagree=WHY_THEY_DISAGREE,
        classes=classes,
        methods=(
            *(group_methods(summary, len(participants)) if scores.rows else ()),
            *((METHOD,) if identified.tasks else ()),
            *((TRANSFER_METHOD,) if transferred.rows else ()),
        ),
        references=references(
            summary,
            (
                *(("kay2008",) if identified.tasks else ()),
                *(("golub1979",) if transferred.rows else ()),
                *label_references(_label_sets(results)),
            ),
        ),
        incidents=incidents_of(summary, crashes),
        provenance=provenance_facts(summary),
        software=software_table(summary),
        elapsed=elapsed_table(summary),
        command=str(summary.get("command", "")),
    )
    figures = (accuracy, learning, confused, identification, transfer)
    return Page(html, tuple(figure for figure in figures if figure is not None))


def _experiment_tables(results: GroupResults) -> tuple[Table, ...]:
    if results.experiments is None:
        return ()
    return experiment_tables(results.experiments, str(results.summary.get("main_experiment")))


def _label_sets(results: GroupResults) -> tuple[str, ...]:
    """Names of the label sets that decoders learnt, controls among them."""
    if results.experiments is None or "labels" not in results.experiments:
        return ()
    return tuple(dict.fromkeys(str(name) for name in results.experiments["labels"]))


def _headline(participants: tuple[str, ...], classes: list[str], skipped: list[str]) -> tuple[Fact, ...]:
    return (
        Fact("participant" if len(participants) == 1 else "participants", count(len(participants))),
        Fact("categories", count(len(classes))),
        Fact("notes on what was left out", count(len(skipped))),
    )
