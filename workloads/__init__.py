"""What clients do and what must hold; one short file each, all of one shape."""
