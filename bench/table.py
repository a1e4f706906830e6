#!/usr/bin/env python3
"""Prints the grader client's lines of bench/results as a table: the latest of each kind, or those of a file.

Usage: bench/table.py [FILE]    default: bench/results/grader_client.jsonl
"""

import json
import pathlib
import sys

HEAD = ("dialect", "", "in flight", "server answers", "CPU per judgment", "judgments/s", "memory each", "load")


def row(line):
    wait = f"after {line['delay_ms']} ms" if line["delay_ms"] else "at once"
    return (line["dialect"], "TLS" if line.get("tls") else "", f"{line['connections']:,}", wait,
            f"{line['cpu_us_per_request']:.1f} us ({line['cpu_us_per_request_best']:.1f})", f"{line['requests_per_s']:,.0f}",
            f"{line['rss_bytes_per_request_in_flight'] / 1000:.0f} KB", str(line["machine"].get("load", "")))


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "results" / "grader_client.jsonl"
    latest = {}
    for text in pathlib.Path(path).read_text().splitlines():
        found = row(json.loads(text))
        latest.pop(found[:4], None)
        latest[found[:4]] = found
    rows = [HEAD, *latest.values()]
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEAD))]
    for r in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip())


if __name__ == "__main__":
    main()
