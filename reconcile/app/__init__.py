"""The use cases: each wires the rooms together for one command, and decides nothing itself.

project.py   a project folder: settings, manifests, backend, secrets
review.py    validate and plan
change.py    apply
state.py     the state, by hand
starter.py   a new project folder
"""
