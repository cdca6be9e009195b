"""Manifests with holes that a release and its values fill: in Python (`evaluate`), or in Helm.

`nodes` are the holes, `values` the tables of values; `generate.charts` writes both as a chart.
"""
