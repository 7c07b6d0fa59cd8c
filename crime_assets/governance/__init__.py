"""Who may see what, and who saw it. Without a policy nothing here runs.

`policy` reads the one file; `scopes` says what a person may see by it. `gates` makes a file with just that, and
`worker`, a confined process, answers people's SQL on it; `pool` keeps workers warm. `trail` has what happened, `audits`
makes tables of it, and `review` says who saw what and whose access is used.
"""
