"""Coefficients that grow while a dictionary trains."""


def warmed_up(final: float, warm_up_steps: int, step: int) -> float:
    """Return the coefficient of step 0, 1, 2, ...: a line from zero that reaches `final` at `warm_up_steps`."""
    return final if step >= warm_up_steps else final * step / warm_up_steps
