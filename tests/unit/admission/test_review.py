import base64

import orjson
import pytest

from crossfade.admission.review import AdmissionAnswer, request_from_review, review_from_answer

REVIEW = {
    "request": {
        "uid": "u1",
        "kind": {"group": "appmesh.k8s.aws", "version": "v1beta2", "kind": "Mesh"},
        "operation": "CREATE",
        "name": "dj-app",
        "object": {"metadata": {"name": "dj-app"}},
        "oldObject": None,
        "dryRun": False,
    }
}


def test_a_request_is_read_from_its_review() -> None:
    request = request_from_review(REVIEW)
    assert (request.uid, request.kind, request.operation, request.namespace) == ("u1", "Mesh", "CREATE", "")
    assert request.old_object == {}


@pytest.mark.parametrize("review", [{}, {"request": None}, {"request": {"uid": "u"}}, []])
def test_what_is_no_review_is_refused(review: object) -> None:
    with pytest.raises(ValueError, match="not an AdmissionReview"):
        request_from_review(review)  # type: ignore[arg-type]  # what a client may send


def test_a_denial_carries_its_text_and_no_patch() -> None:
    response = review_from_answer("u1", AdmissionAnswer(denial="no", patch=[{"op": "add"}]))["response"]
    assert response["allowed"] is False
    assert response["status"]["message"] == "no"
    assert response["status"]["code"] == 403
    assert "patch" not in response


def test_a_patch_is_encoded() -> None:
    patch = [{"op": "add", "path": "/spec/awsName", "value": "x"}]
    response = review_from_answer("u1", AdmissionAnswer(patch=patch))["response"]
    assert response["patchType"] == "JSONPatch"
    assert orjson.loads(base64.b64decode(response["patch"])) == patch


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("admission.k8s.io/v1", "admission.k8s.io/v1"),
        ("admission.k8s.io/v1beta1", "admission.k8s.io/v1beta1"),
        (None, "admission.k8s.io/v1"),
        (["x"], "admission.k8s.io/v1"),
    ],
)
def test_the_answer_has_the_version_of_the_review(asked: object, answered: str) -> None:
    request = request_from_review({**REVIEW, "apiVersion": asked})
    assert review_from_answer(request.uid, AdmissionAnswer(), request.api_version)["apiVersion"] == answered


def test_an_empty_patch_is_left_out() -> None:
    assert review_from_answer("u1", AdmissionAnswer())["response"] == {"uid": "u1", "allowed": True}
