/* SPDX-License-Identifier: BSD-3-Clause */
/* How many instructions a packet takes: what a micro-benchmark does for `./dev bench insn`, which starts it
 * as PROGRAM count [CASE…] under valgrind --tool=callgrind. Which functions count, bench/insn.py says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @rounds rounds; returns the packets that passed. Each does the same as the one before: no clock, nothing random
 * that depends on the start. */
typedef uint64_t (*count_fn)(void *ctx, unsigned int rounds);

/* The EAL is up. Says what the program was made with, and what would have it count otherwise. */
void count_begin(void);
/* Whether the words after "count" ask for that case: none asks for all. */
bool count_wants(int argc, char **argv, const char *name);
/* Counts. Twice, with different numbers of rounds: in the difference nothing is left but rounds. */
void count_case(const char *name, count_fn fn, void *ctx);

/* "count" was asked for. */
bool count_is_asked(int argc, char **argv);

/* What the lcore of a case that is being counted is told: time stands still. 0: nothing is. */
extern uint64_t count_moment;

/* What a program does with one of its cases, a struct of its own that begins with the case's name. */
struct count_ops {
	void (*up)(const void *kind);
	/* @nr rounds, as of count_fn. *@spent grows by the TSC cycles of what is measured. */
	uint64_t (*rounds)(const void *kind, unsigned int nr, uint64_t *spent);
	/* Says a line: TSC cycles a packet of the cheapest slice, and of the middle one. */
	void (*say)(const void *kind, double best, double median);
	void (*down)(const void *kind);
};

/* The EAL is up. Times, or counts if it was asked for, those of @nr cases of @size bytes each that the arguments name: all
 * if they name none. */
void count_or_time(int argc, char **argv, const struct count_ops *ops, const void *kinds, size_t nr,
		   size_t size);
