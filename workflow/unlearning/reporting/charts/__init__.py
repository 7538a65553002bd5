"""Figures: their look, the way of Vega-Lite's specifications to the page and to files."""
