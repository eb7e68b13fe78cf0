"""Pure functions over text: no Beam, no input or output, no clock, no randomness."""
