"""What all commands share: options, tables, progress, result files, and the look of pictures."""
