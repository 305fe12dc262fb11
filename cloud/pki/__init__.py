"""The cloud's own certificate authority and the identities of nodes.

`certificates` makes and reads certificates, `authority` keeps the CA's keys, `tokens` and `ledger`
are what the database knows, `enrolment` decides, `routes` and `gate` face the network.
"""
