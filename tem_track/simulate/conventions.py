"""What every number of a truth file means, as it is written into each truth.json."""

from __future__ import annotations

__all__ = ["CONVENTIONS"]

CONVENTIONS: dict[str, str] = {
    "pixels": "x right, y down, origin at the centre of the top-left pixel; a box is "
    "[x, y, width, height] and its centre (x + (width - 1) / 2, y + (height - 1) / 2)",
    "axis_deg": "loading axis, from the base to the tip, from straight up, clockwise",
    "boxes_px": "as a hand draws them in frame 0: up to 6 px (at 768 rows) off on every side, with "
    "the gap and the neighbours in them",
    "points_px": "the points whose motion is given: the boxes' centres for bar and base; for "
    "the tip the middle of the box's side facing the specimen, or its apex where it rotates or the "
    "axis is tilted",
    "T_x_px, T_y_px": "position in this frame of the point that lies at points_px in frame 0 and "
    "is fixed to the target T (bar, tip, base); T_shift is the difference to frame 0",
    "T_visible": "0 where an accident hides the target or saturates the frame",
    "tip_minus_bar_px": "motion of the tip's point against the bar's since frame 0, along the "
    "axis, positive in the test's own direction; contains stage drift, as any picture does",
    "deflection_nm": "bending of the cantilever, without stage drift; force_nN is it times "
    "the stiffness",
    "direction": "deflection, actuator, force, deformation, strain and stress are positive in the "
    "test's own direction: compression or tension",
    "actuator_nm": "motion of the base's face along the axis, 0 where contact begins (in frame 0 "
    "where there is none); base_motion_nm is the same since frame 0",
    "gap_nm": "open distance between the specimen's end and the tip",
    "closure_nm": "actuator less deflection and deformation while in contact: the sink-in of "
    "the seats",
    "length_nm": "between the two end faces along the axis; empty once the specimen is broken",
    "diameters": "full outer width across the loading axis of the true body, shell included, "
    "before any blur: at half length, largest, smallest within the central 80 %, and at each face "
    "by a straight line through the outer tenth of the length; the rounding of a rod's free end is "
    "left out of them",
    "bow_nm": "offset of the midline at half length from the straight line between its ends, "
    "positive to the right when the axis points up; bend_ratio is 8 |bow| / diameter_mid_nm",
    "sections": "round in the mechanics; ellipticity and facet (setup: physics) change the depth "
    "along the beam in the picture only",
    "volume_nm3": "of revolution of the outer width",
    "shell_nm": "thickness of the surface layer, normal to the surface",
    "stress_initial_MPa": "force over pi / 4 times the square of the initial mid diameter",
    "modulus_GPa": "Young's modulus of the drawn body; for spheres that of the Hertzian contact "
    "before division by 1 - nu^2, nu = 0.32",
    "strength_MPa": "true flow stress at reference_rate_per_s and zero plastic strain; flow is "
    "rate = reference_rate * ((stress / (strength + hardening) - t) / (1 - t))^rate_exponent with "
    "t = rate_threshold, 0 below it; for spheres the mean contact pressure",
    "contact_frame": "first frame that carries load; 0 in tension; null where none does",
    "fracture_frame": "first frame with the specimen in two pieces",
    "bending_frame": "first frame with bend_ratio above 0.1",
    "time_s": "the movie's clock, frame times frame_interval_s; physical_time_s is that of what "
    "the frame shows, later where frames were dropped",
    "missing": "an empty cell or null; never 0",
}
