"""What Schemathesis must not send."""

import schemathesis


@schemathesis.hook
def filter_case(context, case):
    """A header that nobody knows is ignored, as everywhere in HTTP, and violates no schema."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})
