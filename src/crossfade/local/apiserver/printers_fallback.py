"""Until the printers package has `table`."""


def table(key, items, now):
    try:
        from crossfade.local.apiserver.printers import table as real

        return real(key, items, now)
    except ImportError:
        cols = [
            {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
            {"name": "Age", "type": "string", "format": "", "description": "", "priority": 0},
        ]
        return {
            "columnDefinitions": cols,
            "rows": [{"cells": [i["metadata"]["name"], i["metadata"].get("creationTimestamp", "")]} for i in items],
        }
