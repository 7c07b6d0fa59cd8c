"""Live reports: first information reports (FIR) as a stream, the rules that watch them, the alerts that these raise.

`contract` says what a report is, `sources` where reports come from, `state` what is known of them; `sql/alerts` has the
rules. A FIR is what a police station registers when it is told of a crime. Nothing here is loaded, or runs, unless
CRIME_STREAM is set.
"""
