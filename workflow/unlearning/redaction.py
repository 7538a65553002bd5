"""Replace what looks like a secret, because reports and the output of `doctor` are shared."""

import re

REDACTED = "[redacted]"
_SECRET_KEYS = re.compile(r"(^|_)(token|secret|password|passwd|credential|api_?key)s?$", re.I)
_PUBLIC_KEYS = ("hub_revision", "revision")  # a commit: long, and no secret
_SECRET_VALUES = re.compile(
    r"\b(hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[bp]-|AKIA)[\w-]{8,}"  # tokens of known services
    r"|://[^/\s:@]+:[^/\s@]+@"  # user and password within an address
    r"|\b(?=\w*[0-9])(?=\w*[a-zA-Z])\w{32,}\b"  # long keys without a prefix
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
