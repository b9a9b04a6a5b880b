"""``make torture``: the promises of docs/reliability.md, tried at random for half an hour."""
