"""Tools without any electrochemistry: constants, errors, ranks, folders, provenance."""
