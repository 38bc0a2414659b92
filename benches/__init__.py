"""Measurements, never tests: ``python -m benches`` prints one table and writes JSON.

A bench file holds a list ``BENCHES`` of functions ``bench(quick: bool) -> Result`` (or a list of results). Timings are
minima of repeats after a warm call; compare them with the measured memory bandwidth of the same run, or with a named
peer measured beside them, never with a number from another machine.
"""
