"""What knows nothing of the domain: constants, errors, ranks, folders, provenance."""
