"""Figures for people and programs: health, metrics, the status page."""
