"""Replace what looks like a secret, because reports and the output of `doctor` are shared."""

import re

REDACTED = "[redacted]"
_SECRET_KEYS = re.compile(r"(^|_)(token|secret|password|passwd|credential|api_?key)s?$", re.I)
_PUBLIC_KEYS = ("hub_revision", "revision")  # a commit: long, and no secret
# Names of folders and tasks must stay, or the configuration on a page cannot be run again. They
# join words by underscores, which these keys have none of; a snapshot on the hub is a folder too.
_SECRET_VALUES = re.compile(
    r"\b(hf_|ghp_|gho_|AKIA)[a-zA-Z0-9]{16,}"  # tokens of known services
    r"|\b(sk-|github_pat_|glpat-|xox[bp]-)[\w-]{8,}"
    r"|://[^/\s:@]+:[^/\s@]+@"  # user and password within an address
    r"|(?<!snapshots/)(?<![a-z0-9])(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{32,}",  # long keys
    re.I,
)


def redact(value, key: str = ""):
    """A copy of `value` with everything replaced that looks like a secret, at any depth."""
    if isinstance(value, dict):
        return {name: redact(entry, str(name)) for name, entry in value.items()}
    if isinstance(value, list):
        return [redact(entry, key) for entry in value]
    if not isinstance(value, str) or key in _PUBLIC_KEYS:
        return value
    secret = _SECRET_KEYS.search(key) or _SECRET_VALUES.search(value)
    return REDACTED if secret else value
