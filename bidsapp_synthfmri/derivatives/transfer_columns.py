"""What each column of the table of transfer between participants holds."""

from __future__ import annotations

from .columns import FDR, Column, Columns, levels

_LOW, _HIGH = (f"{end} end of the 95% interval, bootstrapped over test images" for end in ("Lower", "Upper"))

TRANSFER_COLUMNS = Columns(
    {
        "source": Column(
            "Participant whose real responses were mapped, without 'sub-'; 'others' for all but the target"
        ),
        "target": Column(
            "Participant in whose voxels they were compared or decoded; 'group' for the mean over targets"
        ),
        "measure": Column(
            "What the value is",
            levels=levels(
                voxel_correlation="correlation over test images, in each voxel, of the source's mapped mean"
                " response with the target's mean response; mean over the region's voxels",
                read_by_target="balanced accuracy of a decoder trained on the target's real trials, on the"
                " source's mapped single trials",
                read_by_others="balanced accuracy of a decoder trained on the other participants' mapped"
                " trials, on the target's real single trials",
            ),
        ),
        "roi": Column("Region of the target, masks of both hemispheres joined; 'all' is every voxel"),
        "n_voxels": Column("Voxels that were correlated; n/a of decoders"),
        "n_participants": Column("Number of targets that the row is the mean of"),
        "n_common_images": Column(
            "Pictures that the map was fitted on; of 'others' and 'group' the fewest of any pair. Test images"
            " of neither participant are among them"
        ),
        "n_test_stimuli": Column(
            "Test images: of a pair those that are test images of both, of 'others' the target's"
        ),
        "n_test_trials": Column(
            "Real trials of them: of the target, or of the source where its trials were decoded"
        ),
        "n_training": Column("Images that the decoder was trained on"),
        "n_classes": Column("Number of categories among the test images"),
        "alpha": Column(
            "Penalty of the map, relative to the mean eigenvalue of the source's covariance; n/a of 'others'"
        ),
        "alpha_at_edge": Column("Whether it lies at an end of its grid; of 'others', in any of the maps"),
        "value": Column("The measure's value"),
        "ci_low": Column(_LOW),
        "ci_high": Column(_HIGH),
        "people_low": Column("Lower end of the 95% interval with targets drawn too; 'group' only"),
        "people_high": Column("Upper end of the 95% interval with targets drawn too; 'group' only"),
        "d": Column("Cohen's d over targets with Hedges' correction; 'group' only, n/a for fewer than three"),
        "chance": Column("Mean value with test images exchanged, or with permuted labels"),
        "permuted_within": Column(
            "What test images or labels were exchanged within: source, session, both or nothing"
        ),
        "p": Column("p value from these exchanges, one-sided, not corrected"),
        "p_fdr": Column(
            f"{FDR}; family: all rows of the measure, regions and pairs or targets, rows of 'group' being a"
            " family of their own"
        ),
        "own": Column(
            "The same for what the target's own data give, on the same test images: the correlation of its"
            " encoder's prediction, or the accuracy of the decoder trained on its real trials, on its trials"
        ),
        "difference": Column("value less own"),
        "difference_low": Column(f"{_LOW}, of the difference"),
        "difference_high": Column(f"{_HIGH}, of the difference"),
        "difference_p": Column(
            "p value of the difference, two-sided, not corrected: of correlations from the bootstrap, of"
            " accuracies from swapping the two decoders' predictions image by image"
        ),
    }
)
