"""The systems under test, and adapters to systems that others wrote; one folder each."""
