"""The report of a TOFU experiment."""
