"""The use cases: each wires the rooms together for one command, and decides nothing itself.

project.py   a project folder: settings, manifests, backend, secrets
review.py    validate and plan
change.py    apply
connection.py  who a command talks to, and at which pace
going_on.py  what to run where the quota ended a run
quota.py     what is used and left of the account's limits
history.py   every run
state.py     the state, by hand
starter.py   a new project folder
"""
