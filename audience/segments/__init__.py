"""Segments: who in the audience meets which criteria (stage 1 of the pipeline).

Criteria are a tree of groups and rules, stored in Segment.criteria:

    {"any": [
        {"all": [
            {"field": "attributes.orders", "operator": "greater_or_equal", "value": 3},
            {"field": "attributes.last_order", "operator": "on_or_after", "value": "1998-01-01"}]},
        {"field": "attributes.total_spent", "operator": "greater_or_equal", "value": 500}]}

values.py says what a value may be, operators.py what may be asked, fields.py about what; tree.py reads
and checks, queries.py asks; indexes.py keeps it quick.
"""

from audience.segments.fields import fields, of_attribute, register
from audience.segments.indexes import keep_indexes
from audience.segments.language import Condition, Field, Operator, Scope
from audience.segments.queries import (
    compile_criteria,
    count,
    customers_in,
    describe,
    matching,
    read,
    sample,
    validate,
)
from audience.segments.saved import save
from audience.segments.tree import Group, Rule
from audience.segments.values import InvalidCriteria

__all__ = [
    "Condition",
    "Field",
    "Group",
    "InvalidCriteria",
    "Operator",
    "Rule",
    "Scope",
    "compile_criteria",
    "count",
    "customers_in",
    "describe",
    "fields",
    "keep_indexes",
    "matching",
    "of_attribute",
    "read",
    "register",
    "sample",
    "save",
    "validate",
]
