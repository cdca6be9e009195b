"""ValidatingAdmissionPolicy: what its expressions may say, which requests it is asked about, and what it decides."""
