"""The texts below the options in each `--help`."""

from textwrap import indent

from .schemes import FORMS

EXIT_CODES = """\
exit codes:
  0 done, also at a --max-*; 1 bad data, or a fault of the pagination; 2 bad usage;
  3 an HTTP status that is an error; 4 the network; 130 interrupted; 141 closed pipe
"""

CREDENTIALS = """\
credentials:
  Name a variable with --bearer-env, use -n for what ~/.netrc has for the host, or -u NAME
  with the password in the variable ANYSTREAM_PASSWORD, in the netrc file with -n, or typed
  in. Or put headers into a file, or an API key: -H @FILE, -q api_key=@FILE. What stands on
  the command line itself can be seen by every user of the machine. No credential is shown
  in an error or by -v.
"""

ROOT = """\
examples:
  anystream pages https://api.github.com/repos/python/cpython/issues --max-items 500
  anystream sse https://stream.wikimedia.org/v2/stream/recentchange --max-events 10
  tail -f app.log | anystream lines - --ndjson --select level
  eval "$(anystream completion bash)"
"""

DEMO = """\
exit codes:
  0 the backends agree and nothing stays open; 1 otherwise; 130 interrupted, with --serve

examples:
  anystream demo
  anystream demo --serve --port 8000
"""

WATCH = """\
exit codes:
  0 the function has returned; 1 it has failed, or the port is taken; 2 there is no such
  function; 130 interrupted; that of sys.exit() in the function

examples:
  anystream watch myapp.main:main
  anystream watch myapp.main:main --backend trio --port 0
"""

COMPLETION = """\
examples:
  eval "$(anystream completion bash)"                  # in ~/.bashrc
  anystream completion zsh > "${fpath[1]}/_anystream"  # before compinit
  anystream completion fish > ~/.config/fish/completions/anystream.fish
"""

PAGES = f"""\
how to find the next page (--next):
{indent(FORMS, "  ")}
Without --next the scheme is detected from the first page; --dry-run says what was found.
PATH is a path in the JSON body: meta.next

{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream pages https://api.github.com/repos/python/cpython/issues -q state=open \\
      --bearer-env GITHUB_TOKEN --max-items 500 --select title
  anystream pages https://slack.com/api/users.list --bearer-env SLACK_TOKEN \\
      --next cursor:response_metadata.next_cursor=cursor --items members
  anystream pages https://api.stripe.com/v1/charges -n --page-size limit=100 \\
      --next last:id=starting_after --items data --resume charges.state -o charges.ndjson
  anystream pages https://api.example.com/users --csv --select id,name,address.city
  anystream pages https://api.example.com/users --dry-run
"""

SSE = f"""\
{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream sse https://stream.wikimedia.org/v2/stream/recentchange --max-events 10
  anystream sse https://api.example.com/events --resume last.state --data-only | jq .
  anystream sse https://api.example.com/v1/chat -d @chat.json --bearer-env KEY --data-only
"""

LINES = f"""\
{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream lines https://api.example.com/export.ndjson --ndjson -o export.ndjson
  anystream lines export.ndjson --ndjson --csv --select id,name > export.csv
  tail -f app.log | anystream lines - --ndjson --select level
"""
