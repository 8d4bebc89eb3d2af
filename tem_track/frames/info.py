"""What a movie file says about itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MovieInfo"]


@dataclass(frozen=True, slots=True)
class MovieInfo:
    """What is known of a movie once it is open, before its frames are decoded.

    Attributes
    ----------
    format : str
        Container or kind of file: `avi`, `mov,mp4,m4a,3gp,3g2,mj2`, `tiff`, `folder`, `array`, ...
    codec : str
        Codec, or compression of a still format; empty where there is none.
    width_px, height_px : int
        Size of every frame.
    bit_depth : int
        Bits of a grey value: 8, 10, 12, 14, 16 or 32 (floating point).
    grey : str
        Where the grey values come from: luma, palette, colour by a formula.
    header_frames : int or None
        Number of frames that the header promises; None where it promises none.
    header_interval_s : float or None
        Frame interval that the header states, in seconds.
    frame_interval_s : float or None
        Frame interval given by the caller or by the file's own tags; None where only the
        frames' time stamps tell it.
    scale_nm_per_px : float or None
        Scale from the file's tags; None where there is none.
    warnings : tuple of str
        What a person should know before trusting the movie.
    """

    format: str
    codec: str
    width_px: int
    height_px: int
    bit_depth: int
    grey: str
    header_frames: int | None = None
    header_interval_s: float | None = None
    frame_interval_s: float | None = None
    scale_nm_per_px: float | None = None
    warnings: tuple[str, ...] = ()
