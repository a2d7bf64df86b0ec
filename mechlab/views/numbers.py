"""How numbers are written: enough digits to be true, few enough to be read, the same in terminal and page."""

import math

from mechlab.core.estimate import Estimate

MINUS = "\u2212"


def number(value: float, digits: int = 4) -> str:
    """Return a number with that many significant digits, thousands separated, and a true minus sign."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    elif abs(value) < 1e-4:
        mantissa, _, power = f"{value:.{digits - 2}e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    else:
        text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
    return text.replace("-", MINUS)


def interval(estimate: Estimate) -> str:
    """Return the bounds, both with the decimals that the interval's width calls for."""
    decimals = _decimals(estimate)
    return f"[{fixed(estimate.low, decimals)}, {fixed(estimate.high, decimals)}]"


def measured(estimate: Estimate) -> str:
    """Return the value with the decimals that its interval calls for: two digits of the width, at most six."""
    return fixed(estimate.value, _decimals(estimate))


def fixed(value: float, decimals: int) -> str:
    """Return a number with that many decimals, thousands separated; zero has no sign."""
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def share(value: float) -> str:
    """Return a share as a percentage with two significant digits, never rounded to 0 or 100 when it is neither."""
    percent = 100 * value
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent >= 99.5:
        return f"{min(percent, 99.99):.2f} %"
    return f"{percent:.0f} %" if percent >= 10 else f"{number(percent, 2)} %" if percent >= 0.001 else "< 0.001 %"


def duration(seconds: float) -> str:
    """Return a time as `0:07`, `12:40` or `3:05:00`; `--:--` when it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return "--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _decimals(estimate: Estimate) -> int:
    width = estimate.high - estimate.low
    if width <= 0:
        return len(number(estimate.value).partition(".")[2]) if abs(estimate.value) >= 1e-4 else 0
    return min(6, max(0, -math.floor(math.log10(width / 10))))
