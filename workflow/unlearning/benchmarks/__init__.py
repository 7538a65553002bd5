"""The benchmarks, one folder each; the shared rooms import none of them."""
