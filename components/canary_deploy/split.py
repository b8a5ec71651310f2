"""Whether the evidence is what it should be: the split of the requests, and how complete the labels are."""

import numpy as np

from adsmu.canary_deploy.harm import TWO_SIDED, log_growth, strata_growth


def split_growth(requests: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sample-ratio test: does the canary get the share of the requests that was configured?

    x of n requests came to the canary, the chance s of each is the configured share: `harm.log_growth` with
    ratios below and above 1. It finds a route that does not follow its weights and callers that bypass it.

    Assumptions: each request is sent at random at the share; a gateway that deals them out in turn is nearer
    to the share than that, which makes the test only more careful. The share holds throughout the look.

    Source: Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", with a mixture over
    few ratios for their Dirichlet prior, so that the share may change from look to look.

    Args:
        requests: Of either variant, (2, ..., strata).
        share: As configured, (...).

    Returns:
        The growth for each ratio, (..., ratios), and whether the look says anything, (...).

    Nothing arrived, where a twentieth of 1,000 requests was to:

    >>> growth, said = split_growth(np.array([[0], [1000]]), np.array(0.05))
    >>> growth.max().round(1), bool(said)
    (np.float64(40.8), True)
    """
    canary, everyone = requests[0].sum(axis=-1), requests.sum(axis=(0, -1))
    return log_growth(canary, everyone, share, TWO_SIDED), everyone > 0


def coverage_growth(due: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The label coverage test: do requests of either variant get their label equally often?

    Of the due labels that are missing in a stratum, the canary's part should be its part of those due:
    `harm.log_growth` with ratios below and above 1. Where fewer labels are there than missing, those there
    are counted instead. If labels depend on the variant, the labelled requests are no longer alike, and a
    difference in accuracy between them says nothing about the models.

    Assumptions: whether a request gets a label does not depend on other requests. That labels are missing is
    no fault, that they are missing unequally is.

    Source: as for `harm.log_growth`, given how many are missing in all, which says nothing of the variants.

    Args:
        due: Requests whose label was due, (2, ..., strata).
        labelled: Of these, those that have one.

    Returns:
        The growth for each ratio, (..., strata and all, ratios), and whether the look says anything of it.

    Of the canary's 100 labels 30 are missing, of the champion's 100 only 10:

    >>> growth, said = coverage_growth(np.array([[100], [100]]), np.array([[70], [90]]))
    >>> growth.max().round(2), said.tolist()
    (np.float64(4.58), [True, True])
    """
    missing = due - labelled
    fewer = np.where(missing.sum(axis=0) <= labelled.sum(axis=0), missing, labelled)
    return strata_growth(fewer, due, TWO_SIDED)
