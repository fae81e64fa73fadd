# SPDX-License-Identifier: BSD-3-Clause
"""`nethv bench`: packet paths measured beside their peers."""
