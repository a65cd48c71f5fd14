"""How a pipeline opens, runs, fails and closes; it imports nothing above itself but the leaves.

`contracts` says what the parts are to each other. No operator, source or name of the user's
belongs here.
"""
