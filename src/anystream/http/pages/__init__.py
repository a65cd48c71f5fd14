"""Paginated APIs: one file for each step that a page takes.

`sources` asks for one page after the other, or for several at a time; `fetcher` gets one of them
over its attempts; `requests` says what is sent for it, and when; `reading` makes a `Page` of the
response, and `failures` tells one from a report of what went wrong. `signs` and `kinds` say what a
response tells by itself, `schemes` what the user says instead, and `stream` gives the items.
`known` is what the pages so far have shown, for a run that continues. What reads bytes that come in
bit by bit is in `bodies`.
"""
