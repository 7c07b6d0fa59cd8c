"""The daily briefing: what changed, on one page to read on a phone or on paper, without a network.

`tables` has what a briefing is made of, small numbers hidden; `changes` picks what is worth reading and puts it into
words; `contents` says what stands on the page, `pages` makes HTML and PDF of it, `writing` puts these where people find
them. Nothing here reads the lake: all numbers are those of the dashboard's extract.
"""
