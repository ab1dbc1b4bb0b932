"""What each column of the table of identification holds."""

from __future__ import annotations

from .columns import P_FDR, PARTICIPANT, ROI, Column, Columns, levels

IDENTIFICATION_COLUMNS = Columns(
    {
        "participant": PARTICIPANT,
        "candidates": Column(
            "Images that the image seen is told from: 'all'; those of one image source by its name, the"
            " trials then being of test images of this source too; or 'same_source', those of the image's own"
            " source, test images of all sources together"
        ),
        "roi": ROI,
        "pattern": Column(
            "Real response that is compared with the candidates' synthetic responses, across voxels",
            levels=levels(
                single_trial="the response to one presentation",
                mean_of_repeats="the mean of the responses to all presentations of the image",
            ),
        ),
        "scaling": Column(
            "What is done to each voxel before patterns are correlated",
            levels=levels(
                raw="nothing",
                centred="its mean taken off: synthetic responses by the candidates', real ones by the"
                " training trials'",
                standardised="as centred, then divided by the standard deviation of the same",
            ),
        ),
        "measure": Column(
            "What the value is",
            levels=levels(
                top_1="probability that the image seen correlates most of n_candidates",
                top_5="probability that it is among the five of n_candidates that correlate most",
                percentile_rank="share of the other candidates that it beats",
                median_rank="median over trials of its rank, 1 for the best; of 'group' and"
                " 'same_source' the mean over participants, and over sources",
            ),
        ),
        "n_candidates": Column(
            "Number of candidates, the image seen among them; below that of 'whole' rows, the others are"
            " drawn from all, in every way there is; of 'group' and 'same_source' at all candidates the mean,"
            " rounded"
        ),
        "whole": Column("Whether the candidates are all there are, not a part of them"),
        "value": Column("The value of the row's measure, mean over test images"),
        "ci_low": Column("Lower end of the 95% interval, bootstrapped over test images"),
        "ci_high": Column("Upper end of the 95% interval, bootstrapped over test images"),
        "chance": Column("The value where the image seen is no likelier than any other"),
        "p": Column(
            "p value from exchanging the test images' synthetic responses, within their image source where"
            " it is known; one-sided, not corrected; 'whole' rows only"
        ),
        "p_fdr": P_FDR,
        "n_trials": Column("Number of real responses; of 'group' the sum over participants"),
        "n_stimuli": Column("Number of test images that they are of"),
    }
)
