"""The pages *Run details* and *Zoom*."""
