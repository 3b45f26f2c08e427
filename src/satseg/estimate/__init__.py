"""What studies will take: downloads, disk and hours."""
