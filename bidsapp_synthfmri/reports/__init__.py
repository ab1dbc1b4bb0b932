"""HTML pages and figures from what ``derivatives`` wrote; opens no data file, writes none."""
