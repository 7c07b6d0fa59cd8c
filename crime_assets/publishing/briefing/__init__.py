"""The daily briefing: what changed, on one page to read on a phone or on paper, without a network.

`tables` has the data of a briefing, with small numbers hidden; `changes` picks what is worth reading and words it;
`contents` says what is on the page, `pages` turns it into HTML and PDF, `writing` stores these where people find them.
Nothing here reads the lake: all numbers come from the dashboard's extract.
"""
