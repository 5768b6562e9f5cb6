// Runs one command and appends what it cost to a log: processor time of it and of everything it waited for, in
// microseconds, as wait4 tells. Put in front of a compiler or of a launcher in a build. Unaware of what it measures.
// meter LOG COMMAND [ARGS...]    a line: cpu_us TAB wall_us TAB exit_status TAB working directory TAB arguments, 0x1f between them

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char line[1 << 17];

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  pid_t child = vfork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  if (child < 0) return 126;
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  int status;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  long long cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  long long wall = (ended.tv_sec - began.tv_sec) * 1000000LL + (ended.tv_nsec - began.tv_nsec) / 1000;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  char cwd[PATH_MAX];
  if (!getcwd(cwd, sizeof cwd)) cwd[0] = 0;
  size_t used = (size_t)snprintf(line, sizeof line, "%lld\t%lld\t%d\t%s\t", cpu, wall, code, cwd);
  for (int i = 2; i < argc && used < sizeof line - 2; i++) {
    size_t length = strlen(argv[i]);
    if (length > sizeof line - 3 - used) length = sizeof line - 3 - used;
    memcpy(line + used, argv[i], length);
    used += length;
    line[used++] = i + 1 < argc ? 0x1f : '\n';
  }
  int log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0 || write(log, line, used) < 0) return 125;
  return code;
}
