"""Segments: who in the audience meets which criteria (stage 1 of the pipeline).

Criteria are a tree of groups and rules, stored in Segment.criteria:

    {"any": [
        {"all": [
            {"field": "attributes.orders", "operator": "greater_or_equal", "value": 3},
            {"field": "attributes.last_order", "operator": "on_or_after", "value": "1998-01-01"}]},
        {"field": "attributes.total_spent", "operator": "greater_or_equal", "value": 500}]}

values.py says what a value may be, operators.py what may be asked, fields.py about what; tree.py reads
and checks, queries.py asks; indexes.py keeps it quick. offered.py, suggested.py and starters.py are what
a page offers to whoever builds one, used.py says what uses it.
"""

from audience.segments.fields import fields, of_attribute, register
from audience.segments.indexes import indexed_attributes, keep_indexes
from audience.segments.language import Condition, Field, Operator, Scope
from audience.segments.offered import labels, vocabulary
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
from audience.segments.starters import EXAMPLES, Example, examples
from audience.segments.suggested import suggestions
from audience.segments.tree import Group, Rule, rules_in
from audience.segments.used import Use, register_uses, uses
from audience.segments.values import InvalidCriteria, Problem

__all__ = [
    "EXAMPLES",
    "Condition",
    "Example",
    "Field",
    "Group",
    "InvalidCriteria",
    "Operator",
    "Problem",
    "Rule",
    "Scope",
    "Use",
    "compile_criteria",
    "count",
    "customers_in",
    "describe",
    "examples",
    "fields",
    "indexed_attributes",
    "keep_indexes",
    "labels",
    "matching",
    "of_attribute",
    "read",
    "register",
    "register_uses",
    "rules_in",
    "sample",
    "save",
    "suggestions",
    "uses",
    "validate",
    "vocabulary",
]
