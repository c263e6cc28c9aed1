"""Material data and laws."""
