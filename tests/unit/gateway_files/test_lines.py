"""In which line a field is, counted from the document's first."""

import pytest

from crossfade.gateway_files.lines import Lines

TEXT = """\
# comment
---
kind: Ingress
metadata:
  annotations:
    konghq.com/plugins: a
spec:
  rules:
  - host: x
  - http:
      paths: [{path: /a},
              {path: /b}]
data:
  tls.crt: x
protocols:
- http
- tcp
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("", 2),
        ("kind", 2),
        ("metadata.annotations[konghq.com/plugins]", 5),
        ("spec.rules[1].http.paths[1].path", 11),
        ("spec.rules[7].http", 7),
        ("spec.nothing.there", 6),
        ("data.tls.crt", 13),
        ("protocols[1]", 16),
        ("protocols.1", 15),
    ],
)
def test_a_field_has_a_line(field: str, line: int) -> None:
    assert Lines().of(TEXT, (), field) == line


def test_the_objects_of_a_list_have_their_own_lines() -> None:
    text = "kind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - spec:\n      a: 1\n"
    assert [Lines().of(text, position, "") for position in ((0,), (1,), (1, 0))] == [2, 3, 5]
    assert Lines().of(text, (1, 0), "spec.a") == 6


def test_text_that_cannot_be_composed_has_the_line_of_its_content() -> None:
    assert Lines().of("---\na: [", (), "a") == 1
