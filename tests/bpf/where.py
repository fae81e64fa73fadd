#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""where.py HEADER OBJECTS SOURCES: tells C programs where the eBPF objects and their sources are."""
import pathlib
import sys

header, objects, sources = sys.argv[1:]
pathlib.Path(header).write_text(
    f'#define BPF_OBJECTS "{objects}"\n#define BPF_SOURCES "{sources}"\n'
)
