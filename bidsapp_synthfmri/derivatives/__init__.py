"""The only writer of results, and the reader of what it wrote."""
