"""Flows: people go through steps, over weeks, by the thousand (docs/decisions/0010-flows.md).

steps.py says how a flow is written and reader.py reads it; ways.py and checks.py say what is wrong with
it; publishing.py makes versions. starts.py lets people begin, advance.py moves them on: people.py takes
and writes their rows, walk.py decides, with conditions.py, shares.py, updates.py and times.py. mails.py is
where delivery comes in. runs.py is about a campaign's run as a whole, persons.py about one person.
"""
