"""Writes docs/reference from schemas, structs, definitions and the plugins' READMEs: it can say nothing else."""
