"""The job: its graph, its options, its command line and the snapshots that it publishes."""
