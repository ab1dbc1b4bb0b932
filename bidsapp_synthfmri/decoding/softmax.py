"""Penalised softmax regressions on the same rows, minimised side by side by preconditioned L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_HISTORY = 10
_MAX_ITERATIONS = 500
_MAX_HALVINGS = 30
# Steps after which the first matrix is brought up to date.
_CURVATURE_EVERY = 5
# Of the largest there is: where all is separated the Hessian vanishes.
_LEAST_CURVATURE = 0.01
_ARMIJO = 1e-4
# Converged problems are taken out of the batch once so large a share of it is left.
_SHARE_LEFT = 0.7


@dataclass(frozen=True)
class Problems:
    """K regressions: sum_i w_i loss_i + alpha/2 |b|^2, the last column's weight unpenalised.

    Attributes
    ----------
    rows : (n, d) responses, orthogonal columns but for the last, which is of ones
    one_hot : (n, K, C) 1 for the row's class
    weight : (n, K)
    alpha : (K,)
    """

    rows: Tensor
    one_hot: Tensor
    weight: Tensor
    alpha: Tensor

    def take(self, which: Tensor) -> Problems:
        """Some of the K."""
        return Problems(self.rows, self.one_hot[:, which], self.weight[:, which], self.alpha[which])

    def logits(self, parameters: Tensor) -> Tensor:
        """(n, K, C) of parameters (d, K, C)."""
        return (self.rows @ parameters.flatten(1)).reshape(-1, *parameters.shape[1:])

    def penalised(self, parameters: Tensor) -> Tensor:
        """The parameters times their penalty, 0 for the intercepts."""
        scaled = parameters * self.alpha[:, None]
        scaled[-1] = 0
        return scaled

    def gradient(self, parameters: Tensor, logits: Tensor) -> Tensor:
        """(d, K, C)."""
        error = torch.softmax(logits, dim=2).sub_(self.one_hot).mul_(self.weight[:, :, None])
        data = (self.rows.T @ error.flatten(1)).reshape(parameters.shape)
        return data.add_(self.penalised(parameters))

    def curvature(self, logits: Tensor) -> Tensor:
        """(d, K, C) diagonal of the Hessian, its data's part at least a hundredth of its largest."""
        probability = torch.softmax(logits, dim=2)
        weight = (probability * (1 - probability)).mul_(self.weight[:, :, None])
        data = (self.rows.square().T @ weight.flatten(1)).reshape(-1, *logits.shape[1:])
        largest = 0.25 * (self.rows.square().T @ self.weight)[:, :, None]
        data = torch.maximum(data, _LEAST_CURVATURE * largest)
        data[:-1] += self.alpha[:, None]
        return data

    def partition(self, logits: Tensor) -> Tensor:
        """(K,) float64 weighed sum of the log partition functions."""
        return (self.weight * torch.logsumexp(logits, dim=2)).sum(dim=0, dtype=torch.float64)

    def true_sum(self, logits: Tensor) -> Tensor:
        """(K,) float64 weighed sum of the true classes' logits."""
        true = (logits * self.one_hot).sum(dim=2)
        return (self.weight * true).sum(dim=0, dtype=torch.float64)


def minimise(problems: Problems, start: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Parameters (d, K, C) at the minimum of each problem, and their logits (n, K, C).

    Parameters
    ----------
    start : (d, K, C)
    tolerance : nats; a problem is done when its gradient, by the curvature's diagonal, promises a loss lower
        by less than about this

    Notes
    -----
    L-BFGS (Liu & Nocedal 1989), its first matrix the inverse of the diagonal ``curvature``, which in the
    responses' own basis is nearly the Hessian. A line search moves the logits, so it costs no product with
    the rows.
    """
    state = _State.at(problems, start, problems.logits(start))
    solved, ends = state.parameters.clone(), state.logits.clone()
    active = torch.arange(start.shape[1], device=start.device)
    for number in range(_MAX_ITERATIONS):
        if number and number % _CURVATURE_EVERY == 0:
            state.curvature = state.problems.curvature(state.logits)
        left = state.decrement() > tolerance
        n_left = int(left.sum())
        if n_left <= _SHARE_LEFT * len(left):
            solved[:, active], ends[:, active] = state.parameters, state.logits
            if not n_left:
                return solved, ends
            active, state = active[left], state.take(left)
        if not state.step():
            break
    solved[:, active], ends[:, active] = state.parameters, state.logits
    return solved, ends


@dataclass
class _State:
    """Where the iteration stands, and its last steps."""

    problems: Problems
    parameters: Tensor
    logits: Tensor
    gradient: Tensor
    curvature: Tensor
    steps: list[Tensor]
    changes: list[Tensor]

    @classmethod
    def at(cls, problems: Problems, parameters: Tensor, logits: Tensor) -> _State:
        gradient = problems.gradient(parameters, logits)
        return cls(problems, parameters, logits, gradient, problems.curvature(logits), [], [])

    def take(self, which: Tensor) -> _State:
        return _State(
            self.problems.take(which),
            self.parameters[:, which],
            self.logits[:, which],
            self.gradient[:, which],
            self.curvature[:, which],
            [step[:, which] for step in self.steps],
            [change[:, which] for change in self.changes],
        )

    def decrement(self) -> Tensor:
        """(K,) g' D^-1 g / 2."""
        return _dot(self.gradient / self.curvature, self.gradient) / 2

    def direction(self) -> Tensor:
        """Minus the gradient times the inverse Hessian that the last steps show (two-loop recursion)."""
        q, coefficients = self.gradient.clone(), []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            rho = _inverse(_dot(step, change))
            a = rho * _dot(step, q)
            q -= change * _as(q, a)
            coefficients.append((rho, a))
        q /= self.curvature
        if self.steps:
            scale = _dot(self.steps[-1], self.changes[-1]) * _inverse(
                _dot(self.changes[-1] / self.curvature, self.changes[-1])
            )
            q *= _as(q, torch.where(scale > 0, scale, 1))
        for (rho, a), step, change in zip(reversed(coefficients), self.steps, self.changes, strict=True):
            q += step * _as(q, a - rho * _dot(change, q))
        return q.neg_()

    def step(self) -> bool:
        """Move along the direction; whether any problem moved."""
        direction = self.direction()
        slope = _dot(direction, self.gradient)
        uphill = slope >= 0
        if bool(uphill.any()):
            plain = -self.gradient / self.curvature
            direction = torch.where(uphill[:, None], plain, direction)
            slope = _dot(direction, self.gradient)
        along = self.problems.logits(direction)
        length = self._length(direction, along, slope)
        if not bool((length > 0).any()):
            return False
        step = direction * _as(direction, length)
        self.parameters = self.parameters + step
        self.logits = torch.addcmul(self.logits, along, _as(along, length))
        gradient = self.problems.gradient(self.parameters, self.logits)
        self.steps = [*self.steps[-_HISTORY + 1 :], step]
        self.changes = [*self.changes[-_HISTORY + 1 :], gradient - self.gradient]
        self.gradient = gradient
        return True

    def _length(self, direction: Tensor, along: Tensor, slope: Tensor) -> Tensor:
        """(K,) step of sufficient decrease (Armijo), halved from 1; 0 where there is none."""
        problems = self.problems
        before = problems.partition(self.logits)
        linear = _dot(problems.penalised(self.parameters), direction) - problems.true_sum(along)
        square = _dot(problems.penalised(direction), direction) / 2
        # Equal losses differ by rounding: a step of no visible change is a step.
        slack = 4 * torch.finfo(self.logits.dtype).eps * before.abs()
        length = torch.ones_like(slope)
        for _ in range(_MAX_HALVINGS):
            trial = torch.addcmul(self.logits, along, _as(along, length))
            change = problems.partition(trial) - before + length * linear + length.square() * square
            failed = ~(change <= _ARMIJO * length * slope + slack)
            if not bool(failed.any()):
                return length
            length = torch.where(failed, length / 2, length)
        return torch.where(failed, 0, length)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(K,) float64 inner products of (d, K, C)."""
    return torch.einsum("dkc,dkc->k", a, b).double()


def _inverse(value: Tensor) -> Tensor:
    return torch.where(value > 0, 1 / torch.where(value > 0, value, 1), 0)


def _as(like: Tensor, value: Tensor) -> Tensor:
    """(K, 1) in the type of ``like``."""
    return value.to(like.dtype)[:, None]
