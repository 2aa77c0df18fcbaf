/* The least a program can do to read files: open, read in 256 KiB pieces into one aligned buffer, close. The yardstick of the benchmarks.
 *   cc -O2 -pthread -o read-loop read-loop.c;  read-loop PASSES THREADS < list-of-paths
 * Thread t reads paths t, t + THREADS, ... of each pass; prints bytes and files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256 * 1024)
static char **paths; static size_t count, threads; static long passes;
static unsigned long long total[64];

static void *work(void *arg) {
  size_t t = (size_t)arg; void *buffer; unsigned long long sum = 0; ssize_t n;
  if (posix_memalign(&buffer, 4096, PIECE)) exit(1);
  for (long pass = 0; pass < passes; pass++)
    for (size_t i = t; i < count; i += threads) {
      int fd = open(paths[i], O_RDONLY);
      if (fd < 0) { perror(paths[i]); exit(1); }
      while ((n = read(fd, buffer, PIECE)) > 0) { sum += (unsigned long long)n; if (n < PIECE) break; }
      close(fd);
    }
  total[t] = sum; return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) { fprintf(stderr, "usage: read-loop PASSES THREADS < paths\n"); return 2; }
  passes = atol(argv[1]); threads = (size_t)atol(argv[2]);
  char *line = 0; size_t room = 0, have = 0;
  while (getline(&line, &room, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (count == have) paths = realloc(paths, (have = have ? 2 * have : 1024) * sizeof *paths);
    paths[count++] = strdup(line);
  }
  pthread_t id[64]; unsigned long long sum = 0;
  for (size_t t = 0; t < threads; t++) pthread_create(&id[t], 0, work, (void *)t);
  for (size_t t = 0; t < threads; t++) { pthread_join(id[t], 0); sum += total[t]; }
  printf("%llu bytes %llu files\n", sum, (unsigned long long)passes * count); return 0;
}
