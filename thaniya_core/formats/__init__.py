"""What is written to disk or wire: pure functions and values, no input or output of their own."""
