// Constant strings that are no names.
Q(/)
Q(/app)
