"""Accuracy and speed, measured; nothing here asserts."""
