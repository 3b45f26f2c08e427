"""What a rule's job is: what it is given, which sources decide it, which files it makes and where
it runs."""
