"""What is measured: a file for each row or family of rows."""
