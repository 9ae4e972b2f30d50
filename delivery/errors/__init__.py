"""Stage 7, its judgement: the one place that says what an error during the hand-over means.

base has the verdicts, smtp and http the tables of the two ways out.
"""
