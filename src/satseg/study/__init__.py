"""What a study's files say, laid out as tables and figures."""
