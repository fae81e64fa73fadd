/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target over every file of the folders named on the command line: what a corpus found
 * once must stay fixed, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *buf;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	buf = malloc(1 << 20);
	if (!f || !buf)
		return -1;
	n = fread(buf, 1, 1 << 20, f);
	fclose(f);
	buf = realloc(buf, n ? n : 1); /* exact size, so that a sanitizer sees an overread */
	LLVMFuzzerTestOneInput(buf, n);
	free(buf);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int nr = 0;
	int i;

	for (i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		while (d && (e = readdir(d))) {
			if (e->d_name[0] != '.' && replay_file(argv[i], e->d_name) == 0)
				nr++;
		}
		if (d)
			closedir(d);
	}
	printf("%u inputs replayed\n", nr);
	return nr ? 0 : 1;
}
