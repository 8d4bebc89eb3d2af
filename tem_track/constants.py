"""Constants of nature and of units."""

__all__ = ["FARADAY_C_PER_MOL", "MPA_PER_GPA"]

FARADAY_C_PER_MOL = 96485.33212
"""CODATA 2018, where it is exact but for the digits left off."""
MPA_PER_GPA = 1000.0
"""1 nN/nm2 is 1 GPa; stresses are given in MPa."""
