from benchmarks.plugin_table import Cost, merged


def test_rows_that_were_not_measured_stay_and_all_are_in_order() -> None:
    first = {
        "udp-log": Cost(2.04, 1.061, "(none)", False),
        "redirect": Cost(-19.2, 0.43, "(none)", True),
        "acl": Cost(-0.1, 1.0, "key-auth", False),
    }
    page = merged("", first)
    again = merged(page, {"udp-log": Cost(1.5, 1.05, "(none)", False), "loggly": Cost(3.0, 1.1, "(none)", False)})
    rows = [line for line in again.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `acl` | -0.1 us | 1.00 | key-auth |",
        "| `loggly` | +3.0 us | 1.10 | no plugin |",
        "| `redirect` ¹ | -19.2 us | 0.43 | no plugin |",
        "| `udp-log` | +1.5 us | 1.05 | no plugin |",
    ]
    assert again.startswith(page.partition("| `")[0])
