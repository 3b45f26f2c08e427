"""One program per rule of the workflow; none imports another."""
