"""A process on the CPU uses freed memory again."""

import platform
import subprocess
import sys

import pytest

# page faults of the last of forty tensors of 40 MiB, each freed before the next: the first ones may
# find too little room between what stays
PROGRAM = """
import resource, sys, torch
from unlearning.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(40):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone")
def test_freed_memory_takes_no_page_from_the_system_again():
    faults = {}
    for mode in ("keep", "as it comes"):
        command = [sys.executable, "-c", PROGRAM, mode]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        faults[mode] = int(output)
    assert faults["keep"] < 100 < faults["as it comes"]
