// What launcher.c uses of the C library, by system calls; launcher.c includes it where ICETS_FREESTANDING is defined. A
// program of these two files and nothing else starts in a tenth of the time that libc's own start takes. Linux on x86-64 and AArch64; elsewhere the launcher is linked with libc.
// Only what launcher.c calls is here, as far as it uses it: no threads, no signal handlers, no locale, no stdio.
// Unaware of what the launcher does with it. Why: docs/adr/0005-a-launcher-without-libc.md.

#if !defined(__linux__) || !defined(__LP64__) || !(defined(__x86_64__) || defined(__AARCH64EL__))
#error "no system calls are known for this machine: the launcher is linked with libc"
#endif

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// Headers of different libraries declare some functions with different types: those are defined under another name here.
#define NAMED(name) __asm__(#name)

// ------------------------------------------------------------------------------------------- system calls and the start

static int last_error;

int *(__errno_location)(void) { return &last_error; }

char **environ;

static __attribute__((noinline)) long call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
  return x0;
#endif
}

/** The kernel's answer as libc gives it: -1 with errno, or the value. Named from the assembler text below. */
__attribute__((used)) long icets_answer(long result) {
  if (result >= 0 || result < -4095) return result;
  last_error = (int)-result;
  return -1;
}

#define CALL6(number, a, b, c, d, e, f) \
  icets_answer(call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))
#define CALL5(number, a, b, c, d, e) CALL6(number, a, b, c, d, e, 0)
#define CALL4(number, a, b, c, d) CALL6(number, a, b, c, d, 0, 0)
#define CALL3(number, a, b, c) CALL6(number, a, b, c, 0, 0, 0)
#define CALL2(number, a, b) CALL6(number, a, b, 0, 0, 0, 0)
#define CALL1(number, a) CALL6(number, a, 0, 0, 0, 0, 0)
#define CALL0(number) CALL6(number, 0, 0, 0, 0, 0, 0)

int main(int argc, char **argv);

void(_exit)(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/** `stack` is what the kernel left there: the count of the arguments, the arguments, zero, the environment, zero. */
__attribute__((used, noreturn)) void icets_start(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  environ = argv + argc + 1;
  _exit(main(argc, argv));
}

// vfork: the child goes on in our stack frame and returns first, so the return address must not be on the stack meanwhile.
#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".globl _start\n.type _start,@function\n"
    "_start:\n"
    "  xorl %ebp, %ebp\n"
    "  movq %rsp, %rdi\n"
    "  andq $-16, %rsp\n"
    "  call icets_start\n"
    ".size _start,.-_start\n"
    ".globl vfork\n.type vfork,@function\n"
    "vfork:\n"
    "  popq %rdx\n"
    "  movl $58, %eax\n"
    "  syscall\n"
    "  pushq %rdx\n"
    "  movq %rax, %rdi\n"
    "  jmp icets_answer\n"
    ".size vfork,.-vfork\n");
#else
__asm__(
    ".text\n"
    ".globl _start\n.type _start,%function\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  and sp, x0, #-16\n"
    "  bl icets_start\n"
    ".size _start,.-_start\n"
    ".globl vfork\n.type vfork,%function\n"
    "vfork:\n"
    "  mov x0, #0x4111\n"  // CLONE_VFORK | CLONE_VM | SIGCHLD
    "  mov x1, #0\n"
    "  mov x2, #0\n"
    "  mov x3, #0\n"
    "  mov x4, #0\n"
    "  mov x8, #220\n"  // clone
    "  svc 0\n"
    "  b icets_answer\n"
    ".size vfork,.-vfork\n");
#endif
// No part of the program needs an executable stack.
__asm__(".section .note.GNU-stack,\"\",%progbits\n.text\n");

pid_t(fork)(void) { return (pid_t)CALL5(SYS_clone, SIGCHLD, 0, 0, 0, 0); }

long(syscall)(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  return CALL6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// ----------------------------------------------------------------------------------------------- bytes and strings

// Keeps compilers from finding that a loop is memcpy or strlen, and calling what it is the body of.
#define STEP() __asm__ volatile("" ::: "memory")

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *(memcpy)(void *restrict to, const void *restrict from, size_t length) {
  char *t = to;
  const char *f = from;
  for (; length >= sizeof(word); length -= sizeof(word), t += sizeof(word), f += sizeof(word)) {
    *(word *)t = *(const word *)f;
    STEP();
  }
  for (; length; length--) {
    *t++ = *f++;
    STEP();
  }
  return to;
}

void *(memmove)(void *to, const void *from, size_t length) {
  // Forwards is right for every move to a lower address.
  if ((uintptr_t)to - (uintptr_t)from >= length) return memcpy(to, from, length);
  char *t = (char *)to + length;
  const char *f = (const char *)from + length;
  for (; length >= sizeof(word); length -= sizeof(word)) {
    t -= sizeof(word);
    f -= sizeof(word);
    *(word *)t = *(const word *)f;
    STEP();
  }
  for (; length; length--) {
    *--t = *--f;
    STEP();
  }
  return to;
}

void *(memset)(void *to, int value, size_t length) {
  char *t = to;
  word filled = (unsigned char)value * 0x0101010101010101ULL;
  for (; length >= sizeof(word); length -= sizeof(word), t += sizeof(word)) {
    *(word *)t = filled;
    STEP();
  }
  for (; length; length--) {
    *t++ = (char)value;
    STEP();
  }
  return to;
}

int(memcmp)(const void *left, const void *right, size_t length) {
  const unsigned char *l = left, *r = right;
  for (; length; length--, l++, r++) {
    if (*l != *r) return *l < *r ? -1 : 1;
    STEP();
  }
  return 0;
}

// clang calls it where only equality matters.
int bcmp(const void *left, const void *right, size_t length);
int(bcmp)(const void *left, const void *right, size_t length) { return memcmp(left, right, length); }

void *(memchr)(const void *data, int value, size_t length) {
  const unsigned char *at = data;
  for (; length; length--, at++) {
    if (*at == (unsigned char)value) return (void *)(uintptr_t)at;
    STEP();
  }
  return NULL;
}

size_t(strlen)(const char *text) {
  const char *at = text;
  for (; *at; at++) STEP();
  return (size_t)(at - text);
}

char *(strchr)(const char *text, int value) {
  for (;; text++) {
    if (*text == (char)value) return (char *)(uintptr_t)text;
    if (!*text) return NULL;
    STEP();
  }
}

char *(strrchr)(const char *text, int value) {
  const char *found = NULL;
  for (;; text++) {
    if (*text == (char)value) found = text;
    if (!*text) return (char *)(uintptr_t)found;
    STEP();
  }
}

int(strncmp)(const char *left, const char *right, size_t length) {
  for (; length; length--, left++, right++) {
    if (*left != *right) return (unsigned char)*left < (unsigned char)*right ? -1 : 1;
    if (!*left) return 0;
    STEP();
  }
  return 0;
}

int(strcmp)(const char *left, const char *right) {
  for (; *left && *left == *right; left++, right++) STEP();
  return (unsigned char)*left - (unsigned char)*right;
}

size_t(strspn)(const char *text, const char *allowed) {
  const char *at = text;
  while (*at && strchr(allowed, *at)) at++;
  return (size_t)(at - text);
}

char *(strstr)(const char *text, const char *wanted) {
  size_t length = strlen(wanted);
  for (;; text++) {
    if (strncmp(text, wanted, length) == 0) return (char *)(uintptr_t)text;
    if (!*text) return NULL;
  }
}

/** The usual words for the errors that system calls of the launcher give. */
char *(strerror)(int error) {
  static const struct {
    int error;
    const char *text;
  } texts[] = {
      {EPERM, "Operation not permitted"},
      {ENOENT, "No such file or directory"},
      {ESRCH, "No such process"},
      {EINTR, "Interrupted system call"},
      {EIO, "Input/output error"},
      {ENXIO, "No such device or address"},
      {E2BIG, "Argument list too long"},
      {ENOEXEC, "Exec format error"},
      {EBADF, "Bad file descriptor"},
      {ECHILD, "No child processes"},
      {EAGAIN, "Resource temporarily unavailable"},
      {ENOMEM, "Cannot allocate memory"},
      {EACCES, "Permission denied"},
      {EFAULT, "Bad address"},
      {EBUSY, "Device or resource busy"},
      {EEXIST, "File exists"},
      {EXDEV, "Invalid cross-device link"},
      {ENODEV, "No such device"},
      {ENOTDIR, "Not a directory"},
      {EISDIR, "Is a directory"},
      {EINVAL, "Invalid argument"},
      {ENFILE, "Too many open files in system"},
      {EMFILE, "Too many open files"},
      {ENOTTY, "Inappropriate ioctl for device"},
      {ETXTBSY, "Text file busy"},
      {EFBIG, "File too large"},
      {ENOSPC, "No space left on device"},
      {ESPIPE, "Illegal seek"},
      {EROFS, "Read-only file system"},
      {EMLINK, "Too many links"},
      {EPIPE, "Broken pipe"},
      {ERANGE, "Numerical result out of range"},
      {ENAMETOOLONG, "File name too long"},
      {ENOSYS, "Function not implemented"},
      {ENOTEMPTY, "Directory not empty"},
      {ELOOP, "Too many levels of symbolic links"},
      {EOVERFLOW, "Value too large for defined data type"},
      {ELIBBAD, "Accessing a corrupted shared library"},
      {EOPNOTSUPP, "Operation not supported"},
      {ECONNRESET, "Connection reset by peer"},
      {ETIMEDOUT, "Connection timed out"},
      {ECONNREFUSED, "Connection refused"},
      {ESTALE, "Stale file handle"},
      {EDQUOT, "Disk quota exceeded"},
      {ENOTCONN, "Transport endpoint is not connected"},
      {EREMOTEIO, "Remote I/O error"},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (texts[i].error == error) return (char *)(uintptr_t)texts[i].text;
  static char unknown[32] = "Unknown error ";
  char digits[12];
  size_t count = 0, used = 14;
  unsigned value = error < 0 ? 0U - (unsigned)error : (unsigned)error;
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  if (error < 0) unknown[used++] = '-';
  while (count) unknown[used++] = digits[--count];
  unknown[used] = 0;
  return unknown;
}

// ------------------------------------------------------------------------------------------------------------- memory

// Blocks of powers of two with a header in front; free ones wait in a list for each size. Blocks above LARGEST are mapped
// one by one. The first pieces come from the program's own zero pages, so that a compile maps no memory at all.
enum { HEADER = 16, SMALLEST = 5, LARGEST = 17, CHUNK = 1 << 19 };

struct block {
  union {
    size_t bytes;  // with the header; of a mapping when above 1 << LARGEST
    char header[HEADER];
  };
  struct block *next;  // of a free one
};

static struct block *free_blocks[LARGEST + 1];
static char first_chunk[CHUNK] __attribute__((aligned(HEADER)));
static char *chunk = first_chunk;
static size_t chunk_left = CHUNK;

static void *map_pages(size_t bytes) {
  long at = CALL6(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == -1 ? NULL : (void *)at;
}

/** Whole pages, whatever their size is here. */
static size_t in_pages(size_t bytes) { return (bytes + HEADER + 0xffff) & ~(size_t)0xffff; }

static int is_mapped(const struct block *block) { return block->bytes > (size_t)1 << LARGEST; }

static void *usable(struct block *block) { return (char *)block + HEADER; }

void *(malloc)(size_t length) {
  if (length > PTRDIFF_MAX - 0x20000) {
    last_error = ENOMEM;
    return NULL;
  }
  size_t bytes = length + HEADER;
  struct block *block;
  if (bytes > (size_t)1 << LARGEST) {
    bytes = in_pages(length);
    if (!(block = map_pages(bytes))) return NULL;
    block->bytes = bytes;
    return usable(block);
  }
  int size = SMALLEST;
  while ((size_t)1 << size < bytes) size++;
  bytes = (size_t)1 << size;
  if ((block = free_blocks[size])) {
    free_blocks[size] = block->next;
    return usable(block);
  }
  if (chunk_left < bytes) {
    // What is left of the old chunk goes to the lists, largest pieces first.
    for (int piece = LARGEST; piece >= SMALLEST; piece--)
      if (chunk_left >= (size_t)1 << piece) {
        struct block *rest = (struct block *)chunk;
        rest->bytes = (size_t)1 << piece;
        rest->next = free_blocks[piece];
        free_blocks[piece] = rest;
        chunk += rest->bytes;
        chunk_left -= rest->bytes;
      }
    chunk_left = 0;
    char *fresh = map_pages(CHUNK);
    if (!fresh) return NULL;
    chunk = fresh;
    chunk_left = CHUNK;
  }
  block = (struct block *)chunk;
  chunk += bytes;
  chunk_left -= bytes;
  block->bytes = bytes;
  return usable(block);
}

void(free)(void *data) {
  if (!data) return;
  int error = last_error;
  struct block *block = (struct block *)((char *)data - HEADER);
  if (is_mapped(block)) {
    CALL2(SYS_munmap, block, block->bytes);
  } else {
    int size = __builtin_ctzl(block->bytes);
    block->next = free_blocks[size];
    free_blocks[size] = block;
  }
  last_error = error;
}

void *(realloc)(void *data, size_t length) {
  if (!data) return malloc(length);
  struct block *block = (struct block *)((char *)data - HEADER);
  if (length <= block->bytes - HEADER && (!is_mapped(block) || length > block->bytes / 2)) return data;
  if (is_mapped(block) && length > (size_t)1 << LARGEST && length <= PTRDIFF_MAX - 0x20000) {
    size_t bytes = in_pages(length);
    long at = CALL4(SYS_mremap, block, block->bytes, bytes, MREMAP_MAYMOVE);
    if (at == -1) return NULL;
    block = (struct block *)at;
    block->bytes = bytes;
    return usable(block);
  }
  void *moved = malloc(length);
  if (!moved) return NULL;
  size_t kept = block->bytes - HEADER;
  memcpy(moved, data, kept < length ? kept : length);
  free(data);
  return moved;
}

char *(getenv)(const char *name) {
  size_t length = strlen(name);
  for (char **entry = environ; entry && *entry; entry++)
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  return NULL;
}

/** A longer list each time: the launcher sets one variable, once. */
int(setenv)(const char *name, const char *value, int overwrite) {
  if (!overwrite && getenv(name)) return 0;
  size_t name_length = strlen(name), value_length = strlen(value), count = 0;
  while (environ[count]) count++;
  char *entry = malloc(name_length + value_length + 2);
  char **list = malloc((count + 2) * sizeof *list);
  if (!entry || !list) return -1;
  memcpy(entry, name, name_length);
  entry[name_length] = '=';
  memcpy(entry + name_length + 1, value, value_length + 1);
  size_t used = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], entry, name_length + 1) != 0) list[used++] = environ[i];
  list[used++] = entry;
  list[used] = NULL;
  environ = list;
  return 0;
}

// -------------------------------------------------------------------------------------------------------------- files

int(open)(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  unsigned mode = flags & O_CREAT ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  return (int)CALL4(SYS_openat, AT_FDCWD, path, flags, mode);
}

int(close)(int fd) { return (int)CALL1(SYS_close, fd); }
ssize_t(read)(int fd, void *data, size_t length) { return CALL3(SYS_read, fd, data, length); }
ssize_t(write)(int fd, const void *data, size_t length) { return CALL3(SYS_write, fd, data, length); }
int(pipe2)(int fds[2], int flags) { return (int)CALL2(SYS_pipe2, fds, flags); }
int(flock)(int fd, int operation) { return (int)CALL2(SYS_flock, fd, operation); }
int(access)(const char *path, int mode) { return (int)CALL3(SYS_faccessat, AT_FDCWD, path, mode); }
int(chmod)(const char *path, mode_t mode) { return (int)CALL3(SYS_fchmodat, AT_FDCWD, path, mode); }
int(mkdir)(const char *path, mode_t mode) { return (int)CALL3(SYS_mkdirat, AT_FDCWD, path, mode); }
int(unlink)(const char *path) { return (int)CALL3(SYS_unlinkat, AT_FDCWD, path, 0); }
int(rename)(const char *from, const char *to) { return (int)CALL4(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to); }
int(chdir)(const char *path) { return (int)CALL1(SYS_chdir, path); }
mode_t(umask)(mode_t mask) { return (mode_t)CALL1(SYS_umask, mask); }

ssize_t(readlink)(const char *path, char *room, size_t length) {
  return CALL4(SYS_readlinkat, AT_FDCWD, path, room, length);
}

int(futimens)(int fd, const struct timespec times[2]) { return (int)CALL4(SYS_utimensat, fd, NULL, times, 0); }

// The kernel's struct stat is libc's on these machines. Before 2.33 glibc's headers call the functions of another name.
int(stat)(const char *path, struct stat *status) { return (int)CALL4(SYS_newfstatat, AT_FDCWD, path, status, 0); }
int(lstat)(const char *path, struct stat *status) {
  return (int)CALL4(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}
int(fstat)(int fd, struct stat *status) { return (int)CALL2(SYS_fstat, fd, status); }
int __xstat(int version, const char *path, struct stat *status);
int __xstat(int version, const char *path, struct stat *status) { return (void)version, stat(path, status); }
int __lxstat(int version, const char *path, struct stat *status);
int __lxstat(int version, const char *path, struct stat *status) { return (void)version, lstat(path, status); }
int __fxstat(int version, int fd, struct stat *status);
int __fxstat(int version, int fd, struct stat *status) { return (void)version, fstat(fd, status); }

char *(getcwd)(char *room, size_t length) {
  if (CALL2(SYS_getcwd, room, length) < 0) return NULL;
  if (room[0] == '/') return room;
  last_error = ENOENT;  // it lies outside of our root
  return NULL;
}

int(dup2)(int from, int to) {
  if (from == to) return CALL2(SYS_fcntl, from, F_GETFD) < 0 ? -1 : to;
  return (int)CALL3(SYS_dup3, from, to, 0);
}

int(fcntl)(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  long argument = va_arg(rest, long);
  va_end(rest);
  return (int)CALL3(SYS_fcntl, fd, command, argument);
}

int libc_ioctl(int fd, unsigned long request, ...) NAMED(ioctl);
int libc_ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  long argument = va_arg(rest, long);
  va_end(rest);
  return (int)CALL3(SYS_ioctl, fd, request, argument);
}

int(poll)(struct pollfd *polled, nfds_t count, int timeout_ms) {
  struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  return (int)CALL5(SYS_ppoll, polled, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

// ------------------------------------------------------------------------------------------------------------ sockets

int(socket)(int domain, int type, int protocol) { return (int)CALL3(SYS_socket, domain, type, protocol); }

int libc_connect(int fd, const void *address, unsigned length) NAMED(connect);
int libc_connect(int fd, const void *address, unsigned length) {
  return (int)CALL3(SYS_connect, fd, address, length);
}

int libc_getsockopt(int fd, int level, int option, void *value, void *length) NAMED(getsockopt);
int libc_getsockopt(int fd, int level, int option, void *value, void *length) {
  return (int)CALL5(SYS_getsockopt, fd, level, option, value, length);
}

ssize_t libc_send(int fd, const void *data, size_t length, int flags) NAMED(send);
ssize_t libc_send(int fd, const void *data, size_t length, int flags) {
  return CALL6(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t libc_recv(int fd, void *data, size_t length, int flags) NAMED(recv);
ssize_t libc_recv(int fd, void *data, size_t length, int flags) {
  return CALL6(SYS_recvfrom, fd, data, length, flags, NULL, NULL);
}

// ---------------------------------------------------------------------------------------------------------- terminals

/** What TCGETS and TCSETS take; libc's own has more. */
struct kernel_termios {
  uint32_t flags[4];
  unsigned char line, keys[19];
};

int(isatty)(int fd) {
  struct kernel_termios ignored;
  return CALL3(SYS_ioctl, fd, TCGETS, &ignored) == 0;
}

int(tcgetattr)(int fd, struct termios *settings) {
  struct kernel_termios now;
  if (CALL3(SYS_ioctl, fd, TCGETS, &now) != 0) return -1;
  memset(settings, 0, sizeof *settings);
  settings->c_iflag = now.flags[0];
  settings->c_oflag = now.flags[1];
  settings->c_cflag = now.flags[2];
  settings->c_lflag = now.flags[3];
  settings->c_line = now.line;
  memcpy(settings->c_cc, now.keys, sizeof now.keys);
  return 0;
}

int(tcsetattr)(int fd, int when, const struct termios *settings) {
  struct kernel_termios wanted = {
      .flags = {settings->c_iflag, settings->c_oflag, settings->c_cflag, settings->c_lflag},
      .line = settings->c_line,
  };
  memcpy(wanted.keys, settings->c_cc, sizeof wanted.keys);
  return (int)CALL3(SYS_ioctl, fd, TCSETS + (unsigned)when, &wanted);
}

int(posix_openpt)(int flags) { return open("/dev/ptmx", flags); }

// The kernel makes the other end with the right owner and mode.
int(grantpt)(int fd) { return (void)fd, 0; }

int(unlockpt)(int fd) {
  int locked = 0;
  return (int)CALL3(SYS_ioctl, fd, TIOCSPTLCK, &locked);
}

int(ptsname_r)(int fd, char *room, size_t length) {
  static const char prefix[] = "/dev/pts/";
  unsigned number;
  if (CALL3(SYS_ioctl, fd, TIOCGPTN, &number) != 0) return last_error;
  char digits[12];
  size_t count = 0, used = sizeof prefix - 1;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  if (length < used + count + 1) return last_error = ERANGE;
  memcpy(room, prefix, used);
  while (count) room[used++] = digits[--count];
  room[used] = 0;
  return 0;
}

// ---------------------------------------------------------------------------------------------------------- processes

pid_t(getpid)(void) { return (pid_t)CALL0(SYS_getpid); }
pid_t(getppid)(void) { return (pid_t)CALL0(SYS_getppid); }
uid_t(geteuid)(void) { return (uid_t)CALL0(SYS_geteuid); }
pid_t(setsid)(void) { return (pid_t)CALL0(SYS_setsid); }
int(setpgid)(pid_t pid, pid_t group) { return (int)CALL2(SYS_setpgid, pid, group); }
int(kill)(pid_t pid, int number) { return (int)CALL2(SYS_kill, pid, number); }

int(execve)(const char *program, char *const argv[], char *const environment[]) {
  return (int)CALL3(SYS_execve, program, argv, environment);
}

pid_t(wait4)(pid_t pid, int *status, int options, struct rusage *usage) {
  return (pid_t)CALL4(SYS_wait4, pid, status, options, usage);
}

pid_t(waitpid)(pid_t pid, int *status, int options) { return wait4(pid, status, options, NULL); }

int(waitid)(idtype_t type, id_t id, siginfo_t *info, int options) {
  return (int)CALL5(SYS_waitid, type, id, info, options, NULL);
}

int libc_prctl(int option, ...) NAMED(prctl);
int libc_prctl(int option, ...) {
  va_list rest;
  va_start(rest, option);
  long argument = va_arg(rest, long);
  va_end(rest);
  return (int)CALL5(SYS_prctl, option, argument, 0, 0, 0);
}

int libc_getrlimit(int kind, struct rlimit *limit) NAMED(getrlimit);
int libc_getrlimit(int kind, struct rlimit *limit) { return (int)CALL4(SYS_prlimit64, 0, kind, NULL, limit); }

int libc_setrlimit(int kind, const struct rlimit *limit) NAMED(setrlimit);
int libc_setrlimit(int kind, const struct rlimit *limit) { return (int)CALL4(SYS_prlimit64, 0, kind, limit, NULL); }

int(clock_gettime)(clockid_t clock, struct timespec *now) { return (int)CALL2(SYS_clock_gettime, clock, now); }

time_t(time)(time_t *room) {
  struct timespec now = {0, 0};
  clock_gettime(CLOCK_REALTIME, &now);
  if (room) *room = now.tv_sec;
  return now.tv_sec;
}

int(nanosleep)(const struct timespec *duration, struct timespec *left) {
  return (int)CALL2(SYS_nanosleep, duration, left);
}

// ------------------------------------------------------------------------------------------------------------ signals

// The kernel's set is the first word of libc's.
enum { KERNEL_SET = 8 };

static unsigned long *set_word(sigset_t *set, int number) {
  return (unsigned long *)(void *)set + (unsigned)(number - 1) / 64;
}

static unsigned long set_bit(int number) { return 1UL << ((unsigned)(number - 1) % 64); }

int(sigemptyset)(sigset_t *set) {
  memset(set, 0, sizeof *set);
  return 0;
}

int(sigfillset)(sigset_t *set) {
  memset(set, 0xff, sizeof *set);
  return 0;
}

int(sigaddset)(sigset_t *set, int number) {
  *set_word(set, number) |= set_bit(number);
  return 0;
}

int(sigdelset)(sigset_t *set, int number) {
  *set_word(set, number) &= ~set_bit(number);
  return 0;
}

int(sigismember)(const sigset_t *set, int number) {
  return (*set_word((sigset_t *)(uintptr_t)set, number) & set_bit(number)) != 0;
}

int(sigprocmask)(int how, const sigset_t *set, sigset_t *before) {
  uint64_t last;
  if (CALL4(SYS_rt_sigprocmask, how, set, &last, KERNEL_SET) != 0) return -1;
  if (!before) return 0;
  memset(before, 0, sizeof *before);
  memcpy(before, &last, sizeof last);
  return 0;
}

struct kernel_sigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

/** SIG_DFL and SIG_IGN only: a handler would need a way back from it. */
int(sigaction)(int number, const struct sigaction *restrict wanted, struct sigaction *restrict before) {
  struct kernel_sigaction next = {0}, last = {0};
  if (wanted) {
    if (wanted->sa_handler != SIG_DFL && wanted->sa_handler != SIG_IGN) {
      last_error = EINVAL;
      return -1;
    }
    next.handler = wanted->sa_handler;
    next.flags = (unsigned long)wanted->sa_flags;
  }
  if (CALL4(SYS_rt_sigaction, number, wanted ? &next : NULL, &last, KERNEL_SET) != 0) return -1;
  if (before) {
    memset(before, 0, sizeof *before);
    before->sa_handler = last.handler;
    before->sa_flags = (int)last.flags;
    memcpy(&before->sa_mask, &last.mask, sizeof last.mask);
  }
  return 0;
}

void (*(signal)(int number, void (*handler)(int)))(int) {
  struct sigaction wanted = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
  return sigaction(number, &wanted, &before) == 0 ? before.sa_handler : SIG_ERR;
}

int(sigtimedwait)(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout) {
  return (int)CALL4(SYS_rt_sigtimedwait, set, info, timeout, KERNEL_SET);
}

int(sigwaitinfo)(const sigset_t *restrict set, siginfo_t *restrict info) { return sigtimedwait(set, info, NULL); }

int(signalfd)(int fd, const sigset_t *set, int flags) {
  return (int)CALL4(SYS_signalfd4, fd, set, KERNEL_SET, flags);
}
