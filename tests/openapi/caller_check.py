"""Schemathesis' own check of ignored credentials sends wrong keys, after a hundred of which every key is refused."""

import schemathesis


@schemathesis.check
def needs_a_caller(_context, response, case):
    """An operation that needs a caller answers nobody's request with a refusal."""
    if case.operation.definition.raw.get("security") and response.status_code < 400:
        raise AssertionError(f"{response.status_code} without a caller")
