"""Choose specimen, room and actuator programme of a loading scenario from a seed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tem_track.simulate.layout import Layout, arrange
from tem_track.simulate.loaded import Loaded, Looks, Part
from tem_track.simulate.loading import (
    Column,
    History,
    Material,
    Programme,
    load_column,
    load_sphere,
)
from tem_track.simulate.scenarios import Scenario
from tem_track.simulate.settings import Accidents, Physics, Setup
from tem_track.simulate.textures import Floats, wander

__all__ = ["TIP_BOX_PX", "plan_loaded"]

TIP_BOX_PX = 130.0
_BASE_PX = 84.0
_SLICES = 96
"""Depth of tip's and base's boxes, in pixels of a frame of 768 rows; and slices along a specimen of
which the mechanics are calculated."""


def plan_loaded(
    scenario: Scenario,
    setup: Setup,
    physics: Physics,
    accidents: Accidents,
    rng: np.random.Generator,
    moments: int,
) -> tuple[Layout, Loaded]:
    """Return the layout and the story of a loading scenario."""
    length, diameter, shell, modulus = _choose(scenario, setup, rng)
    gap = rng.uniform(30.0, 46.0) * setup.shape_px[0] / 768 * setup.scale_nm_per_px / 2
    gap = gap if scenario.mode == "compression" else 0.0
    layout, room_nm = _room(scenario, setup, length + gap, rng)
    stiffness = _given(setup.stiffness_N_per_m, scenario.stiffness_N_per_m)
    strain = _given(setup.final_strain, scenario.final_strain)
    part = _part(scenario, length, diameter, shell, strain, rng)
    force = rng.uniform(0.78, 0.95) * room_nm * stiffness
    area = np.pi / 4 * diameter**2
    strength = _given(setup.strength_MPa, force / area * 1000 / _rise(scenario, strain))
    rate = strain / (0.6 * moments * setup.frame_interval_s)
    material = Material(
        modulus, strength, scenario.hardening * strength, 0.4 * strain,
        scenario.rate_exponent, rate, fracture_strain=rng.uniform(0.7, 1.0),
    )  # fmt: skip
    peak = _peak_force(scenario, part, material, strain)
    travel = peak / stiffness + strain * length
    phases, actuator = _programme(scenario, moments, gap, travel, rng.spawn(1)[0])
    times: Floats = np.arange(float(moments)) * setup.frame_interval_s
    sign: Literal[1, -1] = 1 if scenario.mode == "compression" else -1
    programme = Programme(
        times,
        actuator,
        gap,
        sign,
        stiffness,
        setup.sink_in_nm_per_uN,
    )
    weak = rng.uniform(0.36, 0.64)
    programme, history = _paced(scenario, part, material, programme, weak)
    constants = _constants(part, material, programme, history, modulus)
    story = Loaded(
        part, _looks(scenario, physics, diameter), material, programme, history,
        _final_phases(phases, history, scenario), setup.scale_nm_per_px,
        accidents.tip_rotation_deg, accidents.base_rotation_deg, constants,
    )  # fmt: skip
    return layout, _with_events(story)


def _given(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _choose(
    scenario: Scenario, setup: Setup, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    length = _given(setup.length_nm, rng.uniform(*scenario.length_nm))
    diameter = _given(setup.diameter_nm, rng.uniform(*scenario.diameter_nm))
    if scenario.name in ("sphere_compression", "hollow_sphere_compression"):
        length = diameter
    shell = _given(setup.shell_nm, rng.uniform(*scenario.shell_nm))
    return length, diameter, shell, _given(setup.modulus_GPa, rng.uniform(*scenario.modulus_GPa))


def _room(
    scenario: Scenario, setup: Setup, span_nm: float, rng: np.random.Generator
) -> tuple[Layout, float]:
    """Place the apex and return how far the tip may travel."""
    zoom = setup.shape_px[0] / 768
    span = span_nm / setup.scale_nm_per_px / zoom
    if scenario.mode == "compression":
        apex = 768 - _BASE_PX - span
        room = apex - TIP_BOX_PX - 12
    else:
        apex = TIP_BOX_PX + rng.uniform(14, 26)
        room = (768 - _BASE_PX - apex - 1.2 * span) / 1.25
    room = min(max(room, 25.0), 200.0 if scenario.loaded else 60.0)
    return arrange(setup, apex * zoom, rng), room * zoom * setup.scale_nm_per_px


def _part(
    scenario: Scenario,
    length: float,
    diameter: float,
    shell: float,
    strain: float,
    rng: np.random.Generator,
) -> Part:
    sphere = scenario.name in ("sphere_compression", "hollow_sphere_compression")
    radius = diameter / 2 * _shape(scenario, rng)
    column = scenario.shape in ("rod", "pillar")
    return Part(
        length_nm=length,
        radius_nm=np.full(_SLICES, diameter / 2) if sphere else radius,
        kind="sphere" if sphere else "column",
        shell_nm=shell,
        hollow=scenario.shape == "hollow_sphere",
        corner_nm=min(8.0, diameter / 20) if column and scenario.mode == "compression" else 0.0,
        lean=rng.uniform(-0.012, 0.012) if column else 0.0,
        bow_nm=rng.choice([-1.0, 1.0]) * rng.uniform(0.002, 0.008) * diameter if column else 0.0,
        bend_share=scenario.bend_share,
        bend_from=0.3 * strain,
    )


def _shape(scenario: Scenario, rng: np.random.Generator) -> Floats:
    """Radius over mid radius at the middles of the slices."""
    s = (np.arange(_SLICES) + 0.5) / _SLICES
    base, tip = scenario.ends
    if scenario.shape == "pillar":
        return base + (tip - base) * s + (1 - (base + tip) / 2) * np.sin(np.pi * s)
    if scenario.shape == "particle":
        flank = rng.uniform(0.26, 0.32)
        up = base + (1 - base) * np.clip(s / flank, 0, 1)
        down = tip + (1 - tip) * np.clip((1 - s) / flank, 0, 1)
        return np.minimum(up, down)
    taper = rng.uniform(-0.03, 0.03) * (s - 0.5)
    shape: Floats = 1 + taper + wander(rng, _SLICES, 0.006, 12.0)
    return shape / np.interp(0.5, s, shape)


def _rise(scenario: Scenario, strain: float) -> float:
    """Force at the largest strain over strength times initial area."""
    if scenario.shape == "pillar":
        return 0.7
    if scenario.shape == "particle" and scenario.name == "particle_compression":
        return 0.8
    if scenario.name in ("sphere_compression", "hollow_sphere_compression"):
        return 1.1 * 2.0 * strain * (1 + 1.2 * strain)
    return 1.33 * math.exp(strain) if scenario.mode == "compression" else 1.25


def _peak_force(scenario: Scenario, part: Part, material: Material, strain: float) -> float:
    area = np.pi * float(np.interp(0.5, np.linspace(0, 1, _SLICES), part.radius_nm)) ** 2
    return material.strength_MPa / 1000 * area * _rise(scenario, strain)


def _programme(
    scenario: Scenario, moments: int, gap: float, travel: float, rng: np.random.Generator
) -> tuple[tuple[str, ...], Floats]:
    """Phase names and actuator positions: approach, load, hold, unload, after."""
    last = moments - 1
    if not scenario.loaded:
        far = 0.75 * gap if scenario.name == "approach" else 0.0
        position = np.interp(np.arange(moments), [0, 0.7 * last, last], [0, far, 0.4 * far])
        return ("approach",) * moments, np.asarray(position)
    if scenario.mode == "tension":
        marks = np.array([0.0, 0.03, 1.0]) * last
        position = np.interp(np.arange(moments), marks, [0, 0, 1.12 * travel])
        return ("load",) * moments, np.asarray(position)
    contact, peak = rng.uniform(0.12, 0.17), rng.uniform(0.64, 0.74)
    marks = np.array([0.0, contact, peak, peak + 0.06, 0.93, 1.0]) * last
    top = gap + travel
    back = gap - 25.0
    position = np.interp(np.arange(moments), marks, [0, gap - 0.5, top, top, back, back])
    names = ("approach", "load", "hold", "unload", "after")
    phase = np.searchsorted(marks[1:-1], np.arange(moments), side="right")
    return tuple(names[i] for i in phase), np.asarray(position)


def _final_phases(phases: tuple[str, ...], history: History, scenario: Scenario) -> tuple[str, ...]:
    """Put the borders where load begins and ends."""
    if scenario.mode == "tension" or not scenario.loaded:
        return phases
    loaded = np.flatnonzero(history.force_nN > 0)
    fixed = list(phases)
    for k in range(len(fixed)):
        if k < loaded[0]:
            fixed[k] = "approach"
        elif k > loaded[-1]:
            fixed[k] = "after"
        elif fixed[k] == "approach":
            fixed[k] = "load"
        elif fixed[k] == "after":
            fixed[k] = "unload"
    return tuple(fixed)


def _paced(
    scenario: Scenario, part: Part, material: Material, programme: Programme, weak: float
) -> tuple[Programme, History]:
    """Run the test; in tension so fast that the fracture falls into the last fifth of the movie."""
    history = _run(scenario, part, material, programme, weak)
    if scenario.mode != "tension":
        return programme, history
    moments = programme.time_s.size
    for _ in range(8):
        broken = history.fracture_frame
        if broken is not None and 0.78 * moments <= broken <= 0.92 * moments:
            break
        pace = 1.15 if broken is None else broken / (0.85 * moments)
        programme = replace(programme, actuator_nm=programme.actuator_nm * pace)
        history = _run(scenario, part, material, programme, weak)
    return programme, history


def _run(
    scenario: Scenario,
    part: Part,
    material: Material,
    programme: Programme,
    weak: float,
) -> History:
    if part.kind == "sphere":
        reduced = material.modulus_GPa / (1 - 0.32**2)
        weaker = 1.0 - (1 - 2 * part.shell_nm / part.length_nm) ** 3 if part.hollow else 1.0
        return load_sphere(
            float(part.radius_nm[0]), reduced * weaker, material.strength_MPa, programme
        )
    z = (np.arange(_SLICES) + 0.5) / _SLICES * part.length_nm
    diameter = 2 * float(np.interp(0.5, np.linspace(0, 1, _SLICES), part.radius_nm))
    hold = np.ones(_SLICES)
    if scenario.mode == "compression" and scenario.shape == "rod":
        reach = 0.32 * diameter
        hold = hold + 0.3 * (
            np.exp(-((z / reach) ** 2)) + np.exp(-(((part.length_nm - z) / reach) ** 2))
        )
    if scenario.mode == "tension":
        off = (z - weak * part.length_nm) / (0.35 * diameter)
        hold = hold - 0.06 * np.exp(-(off**2))
        grip = 0.3 * diameter
        hold = hold + 0.25 * (np.exp(-z / grip) + np.exp(-(part.length_nm - z) / grip))
    return load_column(Column(part.length_nm, np.pi * part.radius_nm**2, hold), material, programme)


def _looks(scenario: Scenario, physics: Physics, diameter: float) -> Looks:
    """Absorption that leaves 40 % of the beam through the middle of a usual rod."""
    centre = {"pillar": 0.75, "hollow_sphere": 0.8}.get(scenario.shape, 0.95)
    core = centre / max(diameter, 180.0)
    facet = 0.5 if scenario.name == "particle_compression" else physics.facet
    if scenario.shape == "hollow_sphere":
        return Looks(0.0, 1.6 * core, physics.ellipticity, 0.0)
    return Looks(core, 0.8 * core, physics.ellipticity, facet)


def _constants(
    part: Part,
    material: Material,
    programme: Programme,
    history: History,
    modulus: float,
) -> dict[str, Any]:
    loaded = np.flatnonzero(history.force_nN > 0)
    middle = 2 * float(np.interp(0.5, np.linspace(0, 1, _SLICES), part.radius_nm))
    best = int(np.argmax(history.force_nN))
    return {
        "stiffness_N_per_m": programme.stiffness_N_per_m,
        "modulus_GPa": modulus,
        "strength_MPa": material.strength_MPa,
        "hardening_MPa": material.hardening_MPa,
        "rate_exponent": material.rate_exponent,
        "rate_threshold": material.threshold,
        "reference_rate_per_s": material.reference_rate_per_s,
        "initial_length_nm": part.length_nm,
        "initial_diameter_nm": middle,
        "shell_nm": part.shell_nm,
        "gap_nm": programme.gap_nm,
        "contact_moment": int(loaded[0]) if loaded.size else None,
        "fracture_moment": history.fracture_frame,
        "max_force_nN": float(history.force_nN[best]) if loaded.size else 0.0,
        "max_force_moment": best if loaded.size else None,
        "critical_stress_MPa": 1000 * float(history.force_nN[best]) / (np.pi / 4 * middle**2),
    }


def _with_events(story: Loaded) -> Loaded:
    """Add the events that only the finished story knows."""
    bent = None
    if story.part.kind == "column" and story.part.bend_share > 0:
        for k in range(len(story.phases)):
            if story.moment(k).truth["bend_ratio"] > 0.1:
                bent = k
                break
    contact = 0 if story.programme.sign < 0 else story.constants["contact_moment"]
    events = {"bending_moment": bent, "contact_moment": contact}
    return replace(story, constants=story.constants | events)
