"""Files to records: what a file is, how it is unpacked, and where its records begin."""
