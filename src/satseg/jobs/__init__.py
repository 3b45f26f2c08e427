"""What a rule's job is: what it is given, which sources decide it, and where it runs."""
