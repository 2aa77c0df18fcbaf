/* A storage of a given speed for any program: LD_PRELOAD it, and reads and writes of files under THROTTLE_PREFIX go through one queue of
 * THROTTLE_MBPS (1e6 bytes a second) in the order of their arrival, shared by all threads and processes with the same THROTTLE_STATE file.
 *   cc -O2 -shared -fPIC -o throttle.so throttle.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FDS 65536
static struct shared { uint64_t free_ns, bytes, calls; } *queue;
static unsigned char slow[FDS];
static const char *prefix;
static double ns_per_byte;

static uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1000000000ull * (uint64_t)t.tv_sec + (uint64_t)t.tv_nsec;
}

__attribute__((constructor)) static void set_up(void) {
  const char *rate = getenv("THROTTLE_MBPS"), *state = getenv("THROTTLE_STATE");
  prefix = getenv("THROTTLE_PREFIX");
  if (!prefix || !rate || !state) return;
  ns_per_byte = 1000.0 / atof(rate);
  int fd = open(state, O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, sizeof *queue)) abort();
  queue = mmap(0, sizeof *queue, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
}

static int opened(int fd, const char *path) {
  if (fd >= 0 && fd < FDS) slow[fd] = queue && strncmp(path, prefix, strlen(prefix)) == 0;
  return fd;
}

static ssize_t charged(int fd, ssize_t n) {
  if (n <= 0 || fd < 0 || fd >= FDS || !slow[fd]) return n;
  int saved = errno;
  uint64_t cost = (uint64_t)((double)n * ns_per_byte), before = __atomic_load_n(&queue->free_ns, __ATOMIC_SEQ_CST), end;
  do {
    uint64_t now = clock_ns();
    end = (before > now ? before : now) + cost;
  } while (!__atomic_compare_exchange_n(&queue->free_ns, &before, end, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  __atomic_fetch_add(&queue->bytes, (uint64_t)n, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&queue->calls, 1, __ATOMIC_SEQ_CST);
  struct timespec until = {(time_t)(end / 1000000000ull), (long)(end % 1000000000ull)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0) == EINTR) {}
  errno = saved;
  return n;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MODE mode_t mode = 0; if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE return opened(NEXT(open)(path, flags, mode), path); }
int open64(const char *path, int flags, ...) { MODE return opened(NEXT(open64)(path, flags, mode), path); }
ssize_t read(int fd, void *to, size_t n) { return charged(fd, NEXT(read)(fd, to, n)); }
ssize_t pread(int fd, void *to, size_t n, off_t at) { return charged(fd, NEXT(pread)(fd, to, n, at)); }
ssize_t pread64(int fd, void *to, size_t n, off64_t at) { return charged(fd, NEXT(pread64)(fd, to, n, at)); }
ssize_t write(int fd, const void *from, size_t n) { return charged(fd, NEXT(write)(fd, from, n)); }
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) { return charged(fd, NEXT(pwrite)(fd, from, n, at)); }
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) { return charged(fd, NEXT(pwrite64)(fd, from, n, at)); }
int close(int fd) { if (fd >= 0 && fd < FDS) slow[fd] = 0; return NEXT(close)(fd); }
