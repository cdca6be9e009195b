import json

from generate.reference.lost_requests import lost_requests_page


def line(event: str, lost: dict[str, int], why_lost: str = "") -> str:
    fields = {"cell": "http ENDPOINTS exits 1", "event": event, "caller": "mesh"}
    return json.dumps({**fields, "sent": 4800, "lost": lost, "why_lost": why_lost})


def test_of_several_runs_the_last_one_counts_and_what_was_not_run_stays_empty() -> None:
    text = "\n".join(
        [
            line("rollout", {"503": 7}),
            line("rollout", {}),
            line("delete pod", {"503": 2, "reset": 1}, "nobody was left to ask"),
            line("scale", {}),
        ]
    )
    row = lost_requests_page(text).splitlines()[-1]
    assert row == "| http | ENDPOINTS | exits | 1 | mesh | 0/4800 | 0/4800 | 3/4800 (nobody was left to ask) |"
