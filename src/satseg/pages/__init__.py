"""Writing for people: tables in Markdown and the report in HTML."""
