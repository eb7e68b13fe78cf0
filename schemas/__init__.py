"""What the rows are: the records that flow, and the Parquet they become. Knows the standard library and pyarrow."""
