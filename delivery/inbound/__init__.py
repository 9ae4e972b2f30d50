"""What providers report: taken at the door, kept as it came, read, and handed to delivery.feedback.

A call goes hooks -> receivers -> inbox.take; later, from a worker, inbox.process -> reading -> feedback.
"""
