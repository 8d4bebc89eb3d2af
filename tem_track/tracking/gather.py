"""What is kept of a movie's sample: for every reference, the frames that look like it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tem_track.records import FloatArray, Image, Target
from tem_track.tracking.coarse import Reduced, search
from tem_track.tracking.crops import Crop, cut
from tem_track.tracking.defects import Defects
from tem_track.tracking.draft import draft_look, reference_crop
from tem_track.tracking.fit import bright_parts
from tem_track.tracking.illumination import Beam, Light, Unsure
from tem_track.tracking.look import Look
from tem_track.tracking.noise import single_frame_variance
from tem_track.tracking.overlay import Still
from tem_track.tracking.rays import without_rays
from tem_track.tracking.refine import rough_place
from tem_track.tracking.voting import Ballot, Vote, glance, make_ballot, vote, vote_from

__all__ = ["Gathered", "Gathering", "Seen", "frame_checksum"]

FEWEST_AGREED = 0.3
"""Least part of a target's structure that agrees with its reference frame."""
WEAK_SHARE = 1 / 12
"""Least information along a direction over that along the best for a target that is no edge."""
SLID_PX = 20.0
"""Way along its edge from which on a target is also asked for abreast of its reference place."""
TRAVELS_PX = 8.0
"""Way from which on a target passes brightness that stands still."""
NEARLY_AS_GOOD = 0.5
"""Agreement there, over that of the place found, for it to be believed instead."""
FEWEST_SHOWN = 5
"""Frames that show a target from which on something is said of all of them."""
CLIPPED = 0.5
"""Part of the bright pixels that must be at the brightest grey in an over-exposed frame."""
SURELY = 0.7
"""Agreement below which a target is sought in its own place as well."""
AS_GOOD = 0.8
"""Part of the best look's agreement from which an earlier look counts as the same."""


@dataclass(slots=True, eq=False)
class Gathered:
    """One reference of a target, and the sampled frames that look like it.

    Attributes
    ----------
    reference : Crop
        The box in the reference frame.
    draft : Look
        The look that the reference frame alone gives.
    ballot : Ballot
        What the first registration compares with.
    still : Still
        What does not move in the reference's box.
    weak : float64 (2,) or None
        The direction along a straight edge, in which the reference says next to nothing.
    crops : list of Crop
    """

    reference: Crop
    draft: Look
    ballot: Ballot
    still: Still
    weak: FloatArray | None = None
    crops: list[Crop] = field(default_factory=list)

    def all(self) -> list[Crop]:
        """Return the reference and the crops."""
        return [self.reference, *self.crops]

    def way_px(self) -> float:
        """Return how far apart its places in the frames lie."""
        places = np.array([(crop.x, crop.y) for crop in self.all()])
        return float(np.ptp(places, axis=0).max())


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The target's surroundings in a frame, by one of its looks."""

    agreed: float
    own: Gathered
    crop: Crop


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a frame shows: the looks that it says something to, and where they find the target."""

    looks: list[Gathered]
    found: list[Found]


class Gathering:
    """The references of one target, to which the sampled frames are shown.

    Attributes
    ----------
    target : Target
    looks : list of Gathered
    shown : int
        Frames that were shown.
    defects : Defects or None
        Pixels that were mended in them.
    light : Light or None
        What the kept surroundings were divided by.
    unsure : Unsure or None
        Brightness that does not stand still: they were not divided by it.
    """

    def __init__(
        self,
        target: Target,
        images: Mapping[int, Image],
        *,
        apart: bool = False,
        change: int | None = None,
    ) -> None:
        """Begin with the reference frames, by number; `apart`: no frame serves two looks.

        `change` is the first frame of another look, where only the last reference and those before
        it lie on different sides.
        """
        self.target = target
        self._apart = apart
        self._change = change
        self.looks = [_begin(target, number, images) for number in range(len(target.references))]
        self.shown = 0
        self._bright: list[tuple[float, float]] = []
        self.defects: Defects | None = None
        self.light: Light | None = None
        self.unsure: Unsure | None = None
        self._beam: Beam | None = None
        self._own: dict[int, int] = {}
        for number, ref in enumerate(target.references):
            self._own.setdefault(frame_checksum(images[ref.frame]), number)

    def look_at(self, frame: Reduced, own_print: int) -> Seen:
        """Return where every look finds the target in a sampled frame; nothing is kept yet.

        A reference frame says nothing new to its own look, and to those before it what any frame
        does.

        Parameters
        ----------
        frame : Reduced
        own_print : int
            The frame's `frame_checksum`.
        """
        looks = self.looks[: self._own.get(own_print, len(self.looks))]
        return Seen(looks, [found for own in looks if (found := _found(frame, own)) is not None])

    def add(self, image: Image, seen: Seen, index: int = -1) -> None:
        """Take in what was seen in a frame, in the frames' order, and the frame's number.

        The surroundings of the target are kept with the look that most of the box agrees with.
        Where several do nearly as well it goes to the first. A look is learnt as if no later one
        had been named: what is better served by that one stays with it all the same, unless the
        later one was found because the look changes for good.
        """
        for own in seen.looks:
            own.still.add(image)
        if seen.looks:
            self.shown += 1
            self._bright.append(bright_parts(image))
        found = seen.found if self._change is None else self._own_side(seen.found, index)
        for one in found:
            one.crop.frame = index
        for count in range(1, len(found) + 1):
            if self._apart and count < len(found):
                continue
            enough = AS_GOOD * max(one.agreed for one in found[:count])
            number = next(i for i, one in enumerate(found) if one.agreed >= enough)
            if self._apart or number == count - 1:
                found[number].own.crops.append(found[number].crop)

    def _own_side(self, found: list[Found], index: int) -> list[Found]:
        """Return what the looks find in a frame that lie on its side of the change."""
        assert self._change is not None
        is_first = (index < self._change) == (self.target.references[0].frame < self._change)
        return [one for one in found if (one.own is not self.looks[-1]) == is_first]

    def frame_at_peak(self) -> float:
        """Return the part of a frame at the brightest grey from which on it is over-exposed."""
        if len(self._bright) < FEWEST_SHOWN:
            return 1.1
        bright, at_peak = np.median(self._bright, axis=0)
        return float(at_peak + CLIPPED * bright)

    def travels(self) -> bool:
        """Tell whether the target is seen in places that lie apart."""
        return any(own.way_px() > TRAVELS_PX for own in self.looks)

    def mend(self, defects: Defects) -> None:
        """Mend the detector's hot and dead pixels in what was kept."""
        self.defects = defects
        for crop in (crop for own in self.looks for crop in own.all()):
            defects.mend(crop)

    def clear(self, range_grey: float) -> None:
        """Mend what single rays have hit in what was kept of frames with a range of grey."""
        for crop in (crop for own in self.looks for crop in own.all()):
            crop.image = without_rays(crop.image, range_grey)

    def even(self, beam: Beam) -> None:
        """Divide the surroundings that were kept by the beam's brightness there."""
        self._beam = beam
        self._divide()

    def even_beneath(self, looks: Sequence[Look], whole: Sequence[list[Crop]]) -> None:
        """Divide them anew, by what the target itself, as it looks by now, says of the beam too.

        The crops that a look was made of tell it; `whole` are all, and the look's again.
        """
        assert self._beam is not None
        shown = [(own.all(), look) for own, look in zip(self.looks, looks, strict=True)]
        self._beam = self._beam.with_beneath(shown)
        for own, crops in zip(self.looks, whole, strict=True):
            own.crops = crops
        self._divide()

    def _divide(self) -> None:
        assert self._beam is not None
        self.light = self._beam.light()
        for crop in (crop for own in self.looks for crop in own.all()):
            crop.even(self.light)


def _found(frame: Reduced, own: Gathered) -> Found | None:
    """Cut out the surroundings of the target where a look finds it."""
    place, image = _first_place(frame, own), frame.image
    if place is None or place.agreed < FEWEST_AGREED:
        return None
    crop = cut(image, round(place.x_px), round(place.y_px), own.draft.pattern.shape)
    if crop is None:
        return None
    crop.agreed = place.mask
    crop.start = (place.x_px - crop.x, place.y_px - crop.y)
    return Found(place.agreed, own, crop)


def frame_checksum(image: Image) -> int:
    """Return a number by which copies of a frame are told; noise makes every eighth row enough."""
    return zlib.crc32(np.ascontiguousarray(image[::8]).tobytes())


def _begin(target: Target, number: int, images: Mapping[int, Image]) -> Gathered:
    ref = target.references[number]
    image = images[ref.frame]
    crop, shape = reference_crop(image, ref, target)
    look = draft_look(image, ref, target)
    grey = crop.image.astype(float)
    ballot = make_ballot(grey, single_frame_variance(grey), shape)
    still = Still.begin(image, crop.x, crop.y, shape)
    return Gathered(crop, look, ballot, still, _weak_direction(look))


def _weak_direction(look: Look) -> FloatArray | None:
    values, vectors = np.linalg.eigh(look.information[:2, :2])
    return np.asarray(vectors[:, 0]) if values[0] < WEAK_SHARE * values[1] else None


def _first_place(frame: Reduced, own: Gathered) -> Vote | None:
    """Find the target before it is known which of the box's pixels belong to it."""
    image, found = frame.image, []
    for place in search(frame, own.draft.coarse):
        here = (place.x_px, place.y_px)
        x, y, _ = rough_place(frame, own.draft, place, ((0, 0),))
        votes = glance(image, own.ballot, [here, (x, y)])
        if votes is None:
            x, y, _ = rough_place(frame, own.draft, place)
            votes = vote(image, own.ballot, [here, (x, y)])
        if votes is not None:
            found.append(votes)
    best = max(found, key=lambda votes: votes.agreed, default=None)
    if best is None or best.agreed < SURELY:
        home = (float(own.reference.x), float(own.reference.y))
        again = vote_from(image, own.ballot, home)
        if again is not None and (best is None or again.agreed > best.agreed):
            best = again
    return None if best is None else _slid_back(image, own, best)


def _slid_back(image: Image, own: Gathered, best: Vote) -> Vote:
    """Return the place that has not slid along a straight edge, where it is nearly as good.

    What grows on an edge, or comes to touch it, makes other stretches of it look more like the
    reference than its own.
    """
    if own.weak is None:
        return best
    x, y = own.weak
    slid = (best.x_px - own.reference.x) * x + (best.y_px - own.reference.y) * y
    if abs(slid) < SLID_PX:
        return best
    back = vote(image, own.ballot, [(best.x_px - slid * x, best.y_px - slid * y)])
    if back is not None and back.agreed > NEARLY_AS_GOOD * best.agreed:
        return back
    return best
