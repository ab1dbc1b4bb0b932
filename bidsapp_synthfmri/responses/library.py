"""The library of haemodynamic responses from which each voxel takes its own."""

from __future__ import annotations

from .hrf import Hrf


def hrf_library() -> tuple[Hrf, ...]:
    """20 haemodynamic responses, in order of their time to peak, 2.75 to 7.7 s.

    Notes
    -----
    Members of a family of 2,806 double gammas: first density with a mode of 2.5-8 s (steps of .25 s) and
    a scale of .3-1.8 s (steps of .1 s); second density of scale 1 s, 4.5, 7 or 10 s later, with a weight
    of 0, .15, .35 or .55; width at half height w of 2.7-6.5 s and between .5 p + .8 and 1.3 p + .5 s, p the
    mode, as early responses are narrow; undershoot at most 35% of the peak. That spans the
    library of Allen et al. 2022 (peaks 2.7-5.7 s, widths 2.9-4.9 s, undershoots 0-34%) and the slower
    responses of Handwerker et al. 2004. The 20 maximise the mean, over the family, of the squared
    correlation with the nearest of them (.979 in the mean, .90 at worst), found by exchange from a
    greedy start.
    """
    return _LIBRARY


_LIBRARY = (
    Hrf(2.75, 0.8, 9.75, 1.0, 0.15),
    Hrf(3.0, 1.2, 7.5, 1.0, 0.55),
    Hrf(3.25, 0.9, 10.25, 1.0, 0.35),
    Hrf(3.5, 1.0, 8.0, 1.0, 0.15),
    Hrf(3.75, 0.5, 10.75, 1.0, 0.35),
    Hrf(4.0, 1.2, 11.0, 1.0, 0.15),
    Hrf(4.25, 0.6, 11.25, 1.0, 0.15),
    Hrf(4.25, 1.1, 14.25, 1.0, 0.55),
    Hrf(4.75, 1.4, 9.25, 1.0, 0.55),
    Hrf(4.75, 1.4, 9.25, 1.0, 0.15),
    Hrf(5.0, 0.8, 12.0, 1.0, 0.35),
    Hrf(5.25, 0.8, 9.75, 1.0, 0.15),
    Hrf(5.25, 1.1, 15.25, 1.0, 0.35),
    Hrf(5.5, 1.4, 10.0, 1.0, 0.15),
    Hrf(5.75, 0.7, 12.75, 1.0, 0.35),
    Hrf(6.25, 1.1, 10.75, 1.0, 0.15),
    Hrf(6.5, 0.9, 13.5, 1.0, 0.35),
    Hrf(7.0, 0.9, 11.5, 1.0, 0.15),
    Hrf(7.75, 1.2, 14.75, 1.0, 0.55),
    Hrf(7.75, 0.9, 14.75, 1.0, 0.15),
)
