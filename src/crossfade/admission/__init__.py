"""Admission webhooks: a server for AdmissionReview, and the decisions that it asks for."""
