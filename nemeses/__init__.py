"""What breaks: one fault family a module, combined by naming several: `partition,kill`."""
