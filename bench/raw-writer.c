// The limit: writes FILES files of BYTES bytes into DIR from ready memory, with PROCESSES processes. usage: raw-writer DIR FILES BYTES PROCESSES
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
  long files = atol(argv[2]), bytes = atol(argv[3]), processes = atol(argv[4]), chunk = 256 << 10;
  char *ready = aligned_alloc(4096, chunk), path[4096];
  for (long i = 0; i < chunk; i++) ready[i] = rand() >> 7;
  for (long p = 0; p < processes; p++) {
    if (fork() != 0) continue;
    for (long f = p; f < files; f += processes) {
      snprintf(path, sizeof path, "%s/%ld", argv[1], f);
      int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
      for (long n = 0, k; n < bytes; n += k) if ((k = write(fd, ready, bytes - n < chunk ? bytes - n : chunk)) <= 0) return perror(path), 1;
      if (close(fd)) return perror(path), 1;
    }
    return 0;
  }
  for (int status, failed = 0;;) if (wait(&status) < 0) return failed; else failed |= status != 0;
}
