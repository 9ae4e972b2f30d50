"""The staff's pages about delivery: what is only read, and the forms by which people sign up."""

from delivery.admin import ledger, signup_forms

__all__ = ["ledger", "signup_forms"]
