"""Everything read from BIDS; the only room that knows pybids."""
