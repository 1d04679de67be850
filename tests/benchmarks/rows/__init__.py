"""One module a row of the table; each has `measure(context)`: its figures and notes."""
