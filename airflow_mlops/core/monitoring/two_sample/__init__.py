"""Tests of two samples: is what one side shows too much for chance, when both sides are samples?

None of them takes the reference for the truth. Each gives a p-value that is right, or errs on the side of no change,
and an effect that is a share of the rows, so that effects of all tests can be held against one limit.
"""
