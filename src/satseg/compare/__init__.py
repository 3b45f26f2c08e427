"""Two studies, or two states of one: what changed, and what it did to the scores.

sides → pairing → scores · changes → figure, page
"""
