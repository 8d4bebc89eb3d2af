"""The scenarios that several benchmarks draw."""

__all__ = ["LOADED"]

LOADED = (
    "rod_compression",
    "rod_bending",
    "rod_tension",
    "pillar_compression",
    "particle_compression",
    "sphere_compression",
    "hollow_sphere_compression",
)
"""Those in which something is loaded, of every shape."""
