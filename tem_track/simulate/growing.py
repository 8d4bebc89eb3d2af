"""Growth: the story of bodies that nucleate on the counter electrode, grow, touch and merge.

A body starts as a ball and becomes a rod: its length and its diameter grow at rates that the
potential sets. Its core is metal, its surface layer thickens by a law of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from tem_track.constants import FARADAY_C_PER_MOL
from tem_track.simulate.loaded import Looks
from tem_track.simulate.story import STATIONS, BodyState, Moment
from tem_track.simulate.textures import Floats

__all__ = [
    "MOVIE_START",
    "Growing",
    "PotentialStep",
    "Sprout",
    "Tube",
    "thickness_law",
]

MOVIE_START = datetime(2020, 1, 2, 12, 0, 0)  # the time of day that simulated logs count from
ShellLaw = Literal["parabolic", "linear", "logarithmic"]


@dataclass(frozen=True, slots=True)
class PotentialStep:
    """From `start_s` on: the potential, and how fast a body then gets longer and wider."""

    start_s: float
    potential_V: float
    length_nm_per_s: float
    diameter_nm_per_s: float

    @property
    def mode(self) -> str:
        """'none', 'isotropic' (all directions alike) or 'directional'."""
        if self.length_nm_per_s == 0:
            return "none"
        return "isotropic" if self.length_nm_per_s < 2 * self.diameter_nm_per_s else "directional"


@dataclass(frozen=True, slots=True)
class Sprout:
    """One body.

    Attributes
    ----------
    nucleation_s : float
        It is there from this time on.
    ball_nm : float
        Diameter of the ball it starts as, reached `emerge_s` later.
    emerge_s : float
    offset_nm, drawn_nm_per_s : float
        Distance from the axis, and its change after `drawn_from_s`.
    shares : (float, float)
        Its rates of length and diameter over those of the potential step.
    """

    nucleation_s: float
    ball_nm: float
    emerge_s: float
    offset_nm: float = 0.0
    drawn_nm_per_s: float = 0.0
    drawn_from_s: float = float("inf")
    shares: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Tube:
    """A nanotube between base and tip that swells until the nucleation."""

    start_nm: float
    end_nm: float
    swollen_s: float


def thickness_law(
    law: ShellLaw, start_nm: float, end_nm: float, span_s: float
) -> Callable[[float], float]:
    """Return thickness against time since the start, from `start_nm` to `end_nm` after `span_s`."""

    def parabolic(t: float) -> float:
        return float(np.sqrt(start_nm**2 + (end_nm**2 - start_nm**2) * t / span_s))

    def linear(t: float) -> float:
        return start_nm + (end_nm - start_nm) * t / span_s

    def logarithmic(t: float) -> float:
        early = span_s / 25
        return float(
            start_nm + (end_nm - start_nm) * np.log1p(t / early) / np.log1p(span_s / early)
        )

    return {"parabolic": parabolic, "linear": linear, "logarithmic": logarithmic}[law]


@dataclass(frozen=True, slots=True, eq=False)
class Growing:
    """The story of growth.

    Attributes
    ----------
    sprouts : tuple of Sprout
        The bodies.
    steps : tuple of PotentialStep
    tube : Tube or None
        A nanotube behind them.
    shell : callable
        The layer's thickness in nm where it is so many seconds old.
    looks : Looks
    free_nm : float
        The room between the electrodes.
    times_s : array
        Of the moments.
    scale_nm_per_px : float
    molar_volume_cm3 : float
        A mole's.
    log_offset_s : float
        Log time + offset = movie time.
    constants : dict
        What is true of the whole movie.
    at : {'root', 'tip'}
        Where material is added: the pattern inside moves away from the root, or stays.
    marker : int
        The moment in which the shutter blinks and the log is marked; 0 is none.
    """

    sprouts: tuple[Sprout, ...]
    steps: tuple[PotentialStep, ...]
    tube: Tube | None
    shell: Callable[[float], float]
    looks: Looks
    at: Literal["root", "tip"]
    free_nm: float
    times_s: Floats
    scale_nm_per_px: float
    molar_volume_cm3: float
    log_offset_s: float
    marker: int
    constants: dict[str, Any]

    def moment(self, k: int) -> Moment:
        """Return what the stage holds at moment k."""
        t, scale = float(self.times_s[k]), self.scale_nm_per_px
        base_u = -self.free_nm / scale
        states: list[BodyState] = []
        truth = self._common(t)
        for number, sprout in enumerate(self.sprouts, 1):
            row = self.size(sprout, t)
            state = self._body(sprout, t, base_u) if row["length_nm"] > 0 else None
            if state:
                states.append(state)
                row |= self._seen(state)
            else:
                row = dict.fromkeys(row | _NOTHING, float("nan"))
            if number == 1:
                truth |= row
            if len(self.sprouts) > 1:
                truth |= {f"body{number}_{name}": value for name, value in row.items()}
        truth |= self._contacts(t)
        if self.tube:
            states.append(self._tube(t, base_u))
        return Moment(0.0, base_u, tuple(states), truth=truth)

    @property
    def log(self) -> dict[str, list[Any]]:
        """Columns of the electrical log on its own clock.

        t (s), U (V), I (pA), the time of day, and a mark: 1 while the marker's frame is taken.
        """
        span = float(self.times_s[-1])
        t = np.arange(-40.0, span + 20.0, max(span / 1500, 0.01))
        potential = np.array([self.step(now).potential_V for now in t])
        rng = np.random.default_rng([int(abs(self.log_offset_s) * 100), 5])
        current = np.array([self.current_pA(now) for now in t])
        noisy = current + 0.01 * rng.standard_normal(t.size)
        half = float(self.times_s[1] - self.times_s[0]) / 2
        marked = np.abs(t - self.times_s[self.marker]) < half if self.marker else 0 * t
        return {
            "t": list(t - self.log_offset_s),
            "U": list(potential),
            "I": list(noisy),
            "clock": [
                (MOVIE_START + timedelta(seconds=now)).isoformat("T", "milliseconds") for now in t
            ],
            "mark": [int(mark) for mark in marked],
        }

    def step(self, t: float) -> PotentialStep:
        """Return the potential step that holds at time t."""
        held = [step for step in self.steps if step.start_s <= t]
        return held[-1] if held else self.steps[0]

    def current_pA(self, t: float) -> float:
        """Return the current that the growth of metal carries: Faraday's law."""
        early = max(t - 0.5, 0.0)
        volumes = [sum(self.volume(s, now) for s in self.sprouts) for now in (early, t + 0.5)]
        rate = (volumes[1] - volumes[0]) / (t + 0.5 - early)
        return -max(rate, 0.0) * 1e-21 / self.molar_volume_cm3 * FARADAY_C_PER_MOL * 1e12

    def size(self, sprout: Sprout, t: float) -> dict[str, float]:
        """Length, diameter and shell of a body at time t (nm)."""
        age = t - sprout.nucleation_s
        if age < -1e-9:
            return {"length_nm": 0.0, "diameter_max_nm": 0.0, "shell_nm": 0.0}
        out = min((0.25 + 0.75 * max(age, 0.0) / sprout.emerge_s), 1.0)
        ball = sprout.ball_nm * out ** (1 / 3)
        longer, wider = self._grown(sprout, t)
        wide = ball + wider
        return {
            "length_nm": max(ball + longer, wide * 0.98),
            "diameter_max_nm": wide,
            "shell_nm": self.shell(max(age, 0.0)),
        }

    def volume(self, sprout: Sprout, t: float) -> float:
        """Volume of revolution (nm^3)."""
        size = self.size(sprout, t)
        if size["length_nm"] <= 0:
            return 0.0
        radius = _profile(size["length_nm"], size["diameter_max_nm"] / 2, size["length_nm"])
        return float(np.trapezoid(np.pi * radius**2, dx=size["length_nm"] / (STATIONS - 1)))

    def _grown(self, sprout: Sprout, t: float) -> tuple[float, float]:
        longer = wider = 0.0
        for step, after in zip(self.steps, [*self.steps[1:], None], strict=True):
            begin = max(step.start_s, sprout.nucleation_s + sprout.emerge_s)
            end = min(t, after.start_s if after else t)
            if end > begin:
                longer += step.length_nm_per_s * (end - begin)
                wider += step.diameter_nm_per_s * (end - begin)
        return longer * sprout.shares[0], wider * sprout.shares[1]

    def _offset(self, sprout: Sprout, t: float) -> float:
        return sprout.offset_nm + sprout.drawn_nm_per_s * max(t - sprout.drawn_from_s, 0.0)

    def _body(self, sprout: Sprout, t: float, base_u: float) -> BodyState:
        size, scale = self.size(sprout, t), self.scale_nm_per_px
        length, radius, shell = size["length_nm"], size["diameter_max_nm"] / 2, size["shell_nm"]
        outer = _profile(length, radius, length)
        core = _profile(length - shell, max(radius - shell, 0.0), length)
        z = np.linspace(0, length, STATIONS)
        material = z if self.at == "tip" else z - length
        slender = float(np.clip(length / (2 * radius) - 1, 0, 1))
        offset = np.full(STATIONS, self._offset(sprout, t) / scale)
        return BodyState(
            base_u, base_u + length / scale, outer / scale, core / scale, offset, material / scale,
            self.looks.mu_core_per_nm * scale, self.looks.mu_shell_per_nm * scale,
            self.looks.ellipticity, self.looks.facet * slender,
        )  # fmt: skip

    def _tube(self, t: float, base_u: float) -> BodyState:
        assert self.tube
        scale = self.scale_nm_per_px
        radius = np.full(STATIONS, self._tube_nm(t) / 2 / scale)
        zero = np.zeros(STATIONS)
        material = np.linspace(0, self.free_nm / scale, STATIONS)
        mid = 3.0 / scale * np.sin(np.linspace(0, 2 * np.pi, STATIONS))
        return BodyState(base_u, 0.0, radius, zero, mid, material, 0.0, 0.034 * scale, 1.0, 0.0)

    def _tube_nm(self, t: float) -> float:
        assert self.tube
        share = min(max(t / self.tube.swollen_s, 0.0), 1.0)
        return self.tube.start_nm + (self.tube.end_nm - self.tube.start_nm) * share

    def _common(self, t: float) -> dict[str, Any]:
        step = self.step(t)
        there = sum(t >= sprout.nucleation_s - 1e-9 for sprout in self.sprouts)
        truth: dict[str, Any] = {
            "bodies": there,
            "potential_V": step.potential_V,
            "current_A": self.current_pA(t) * 1e-12,
            "growth_mode": step.mode if there else "none",
        }
        if self.tube:
            truth["nanotube_nm"] = self._tube_nm(t)
        return truth

    def _seen(self, state: BodyState) -> dict[str, float]:
        scale = self.scale_nm_per_px
        width = 2 * state.radius_px * scale
        length = (state.u1_px - state.u0_px) * scale
        step = length / (STATIONS - 1)
        area = float(np.trapezoid(width, dx=step))
        return {
            "diameter_mid_nm": float(width[STATIONS // 2]),
            "diameter_mean_nm": area / length,
            "aspect_ratio": length / float(width.max()),
            "projected_area_nm2": area,
            "volume_nm3": float(np.trapezoid(np.pi / 4 * width**2, dx=step)),
            "root_u_px": state.u0_px,
            "end_u_px": state.u1_px,
            "offset_px": float(state.mid_px[0]),
        }

    def _contacts(self, t: float) -> dict[str, Any]:
        if len(self.sprouts) < 2:
            return {}
        gap = self.gap_nm(t)
        return {"bodies_gap_nm": gap, "touching": bool(gap <= 0), "merged": self.merged(t)}

    def gap_nm(self, t: float) -> float:
        """Return the least distance of the two outlines across the axis; negative: overlap."""
        one, two = self.sprouts[:2]
        sizes = [self.size(sprout, t) for sprout in (one, two)]
        if min(size["length_nm"] for size in sizes) <= 0:
            return float("nan")
        apart = abs(self._offset(two, t) - self._offset(one, t))
        common = min(size["length_nm"] for size in sizes)
        z = np.linspace(0, common, STATIONS)
        radii = [
            np.interp(z, np.linspace(0, s["length_nm"], STATIONS),
                      _profile(s["length_nm"], s["diameter_max_nm"] / 2, s["length_nm"]))
            for s in sizes
        ]  # fmt: skip
        return float((apart - radii[0] - radii[1]).min())

    def merged(self, t: float) -> bool:
        """Whether the second body's outline lies within the first's, across the axis."""
        one, two = self.sprouts[:2]
        a, b = self.size(one, t), self.size(two, t)
        if min(a["length_nm"], b["length_nm"]) <= 0:
            return False
        apart = abs(self._offset(two, t) - self._offset(one, t))
        return bool(apart + b["diameter_max_nm"] / 2 <= a["diameter_max_nm"] / 2)


_NOTHING = dict.fromkeys(
    (
        "diameter_mid_nm", "diameter_mean_nm", "aspect_ratio", "projected_area_nm2", "volume_nm3",
        "root_u_px", "end_u_px", "offset_px",
    ),
    float("nan"),
)  # fmt: skip


def _profile(length: float, radius: float, span: float) -> Floats:
    """Radius at stations over [0, span] of a body of a length: a ball at first, then a rod.

    The foot is cut by the base, the end is a dome that turns into a chamfer.
    """
    z = np.linspace(0, span, STATIONS)
    if length <= 0 or radius <= 0:
        return np.zeros(STATIONS)
    slender = float(np.clip(length / (2 * radius) - 1, 0, 1))
    cap = radius * (1 - 0.6 * slender)
    power = 2 - 0.5 * slender
    end = np.clip((length - z) / cap, 0, 1)
    foot = np.clip((z + 0.35 * cap) / (1.35 * cap), 0, 1)
    dome = (1 - (1 - end) ** power) ** (1 / power)
    root = np.sqrt(1 - (1 - foot) ** 2)
    return np.asarray(np.where(z <= length, radius * dome * root, 0.0), dtype=np.float64)
