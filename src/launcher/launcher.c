// The launcher: what a build runs in place of its compiler. It asks the agent over a unix socket what to do with one
// command and does it; whatever goes wrong, it runs the command as if icets were not there.
// The same binary is the spawner (`--spawner`), which starts programs for a Node process that must not fork.
// Contract of both: docs/launcher-protocol.md. Unaware of compilers: which commands can leave is the agent's business.
// libc and Linux calls only; no stdio, no locale, nothing that reads configuration on the way to a compile. freestanding.c
// has all of libc that is used here, and takes its place where it can: a function that is new here is needed there too.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>  // rename, nothing else of it
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef ICETS_VERSION
#define ICETS_VERSION "unversioned"
#endif

enum {
  PROTOCOL = 1,
  HEADER_BYTES = 5,
  MAX_FRAME = 1 << 30,
  HEARTBEAT_MS = 6000,  // silence after which an agent counts as hung
  BUSY_FOR_MS = 60000,  // the same while it computes: many compiles at once keep an agent on a slow machine from saying anything
  UNSERVED_BYTES = 4 << 20,  // of notes about commands that ran without the agent
  SUSPECT_MS = 250,     // the same for the first frame, when another launcher found it hung a moment ago
  SUSPECT_FOR_S = 30,   // how long that suspicion lasts
  START_MS = 5000,      // how long a new agent may take until it accepts
  FAILED_FOR_S = 10,    // how long nobody tries again after a start that failed
  FORWARD_MS = 100,     // a signal sent to us alone reaches the child after this, if the child has not ended by then
  FARE_WELL_MS = 1000,  // how long we try to tell the agent how a local run ended
  MAX_REENTRY = 16,
  MAX_LINKS = 40,  // as the kernel
};

enum frame_type {
  F_HELLO = 1,
  F_REQUEST = 2,
  F_ENDED = 3,
  F_COMMITTED = 4,
  F_UNSERVED = 5,  // in the file of that name only
  F_HEARTBEAT = 16,
  F_RUN_LOCALLY = 17,
  F_EXEC = 18,
  F_OUTPUT = 19,
  F_RESULT = 20,
  F_REFUSED = 21,
};

extern char **environ;

// ---------------------------------------------------------------------------------------------- words on stderr

static int debugging;

/** One line on stderr made of the parts up to a null pointer. */
static void say(const char *first, ...) {
  char line[2048];
  size_t used = 0;
  va_list parts;
  va_start(parts, first);
  for (const char *part = first; part; part = va_arg(parts, const char *)) {
    size_t length = strlen(part);
    if (length > sizeof line - 1 - used) length = sizeof line - 1 - used;
    memcpy(line + used, part, length);
    used += length;
  }
  va_end(parts);
  line[used++] = '\n';
  while (write(STDERR_FILENO, line, used) < 0 && errno == EINTR) {
  }
}

#define DEBUG(...)                                                     \
  do {                                                                 \
    if (debugging) say("icets: debug: ", __VA_ARGS__, (char *)NULL);   \
  } while (0)

struct digits {
  char text[24];
};

static const char *decimal(struct digits *room, uint64_t value) {
  char *at = room->text + sizeof room->text - 1;
  *at = 0;
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return at;
}

/** A whole number of milliseconds from the environment, or what is usual. */
static int setting_ms(const char *name, int usual) {
  const char *text = getenv(name);
  if (!text || !*text) return usual;
  long value = 0;
  for (; *text; text++) {
    if (*text < '0' || *text > '9' || value > 100000000) return usual;
    value = value * 10 + (*text - '0');
  }
  return (int)value;
}

static int is_set(const char *name) {
  const char *text = getenv(name);
  return text && *text && strcmp(text, "0") != 0;
}

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void) { return now_us() / 1000; }

static uint64_t micros(struct timeval time) { return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec; }

// ------------------------------------------------------------------------------------------- bytes, frames, fields

/** A growing buffer; `bad` once memory is short or a frame too long, and from then on it takes nothing. */
struct bytes {
  unsigned char *at;
  size_t used, room;
  int bad;
};

static int make_room(struct bytes *b, size_t more) {
  if (b->bad) return 0;
  if (more <= b->room - b->used) return 1;
  size_t room = b->room < 4096 ? 4096 : b->room;
  while (room - b->used < more) {
    if (room > SIZE_MAX / 2) {
      b->bad = 1;
      return 0;
    }
    room *= 2;
  }
  unsigned char *grown = realloc(b->at, room);
  if (!grown) {
    b->bad = 1;
    return 0;
  }
  b->at = grown;
  b->room = room;
  return 1;
}

static void put(struct bytes *b, const void *data, size_t length) {
  if (!length || !make_room(b, length)) return;
  memcpy(b->at + b->used, data, length);
  b->used += length;
}

static void put_number(struct bytes *b, uint64_t value, size_t width) {
  unsigned char little[8];
  for (size_t i = 0; i < width; i++) little[i] = (unsigned char)(value >> (8 * i));
  put(b, little, width);
}

static void put_u8(struct bytes *b, unsigned value) { put_number(b, value, 1); }
static void put_u16(struct bytes *b, unsigned value) { put_number(b, value, 2); }
static void put_u32(struct bytes *b, uint64_t value) { put_number(b, value, 4); }
static void put_u64(struct bytes *b, uint64_t value) { put_number(b, value, 8); }

static void put_text(struct bytes *b, const char *text) {
  size_t length = strlen(text);
  if (length > MAX_FRAME) b->bad = 1;
  put_u32(b, length);
  put(b, text, length);
}

/** Writes over four bytes that are there. */
static void set_u32(struct bytes *b, size_t at, uint64_t value) {
  for (size_t i = 0; i < 4; i++) b->at[at + i] = (unsigned char)(value >> (8 * i));
}

static size_t begin_frame(struct bytes *b, unsigned type) {
  size_t start = b->used;
  put_u32(b, 0);
  put_u8(b, type);
  return start;
}

static void end_frame(struct bytes *b, size_t start) {
  if (b->bad) return;
  size_t length = b->used - start - HEADER_BYTES;
  if (length > MAX_FRAME) {
    b->bad = 1;
    return;
  }
  set_u32(b, start, length);
}

/** Reads the fields of one payload; reading past the end sets `bad`, and everything after it is zero or empty. */
struct fields {
  unsigned char *at;
  size_t left;
  int bad;
};

static uint64_t take_number(struct fields *f, size_t width) {
  if (f->bad || f->left < width) {
    f->bad = 1;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++) value |= (uint64_t)f->at[i] << (8 * i);
  f->at += width;
  f->left -= width;
  return value;
}

static unsigned char *take_bytes(struct fields *f, size_t *length) {
  *length = take_number(f, 4);
  if (f->bad || *length > f->left) {
    f->bad = 1;
    *length = 0;
    return NULL;
  }
  unsigned char *found = f->at;
  f->at += *length;
  f->left -= *length;
  return found;
}

/** A text as a C string, moved onto its own length prefix to make room for the zero; a zero inside it is `bad`. */
static char *take_string(struct fields *f) {
  size_t length;
  unsigned char *found = take_bytes(f, &length);
  if (!found) return (char *)"";
  char *moved = (char *)found - 4;
  memmove(moved, found, length);
  moved[length] = 0;
  if (memchr(moved, 0, length)) f->bad = 1;
  return moved;
}

/** A list of strings as a null-terminated array with one free slot in front of it; the caller never frees it. */
static char **take_strings(struct fields *f) {
  size_t count = take_number(f, 4);
  if (f->bad || count > f->left / 4) {
    f->bad = 1;
    return NULL;
  }
  char **list = malloc((count + 2) * sizeof *list);
  if (!list) {
    f->bad = 1;
    return NULL;
  }
  list++;
  for (size_t i = 0; i < count; i++) list[i] = take_string(f);
  list[count] = NULL;
  return list;
}

// --------------------------------------------------------------------------------------------- who we are, what to run

struct command {
  const char *program;  // what execve gets
  char **argv;          // argv[-1] is ours to overwrite
};

static struct stat self;
static char *self_path;  // of the launcher binary; filled when first asked for

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static char *join(const char *first, const char *second, const char *third) {
  size_t a = strlen(first), b = strlen(second), c = strlen(third);
  char *whole = malloc(a + b + c + 1);
  if (!whole) {
    say("icets: out of memory", (char *)NULL);
    _exit(126);
  }
  memcpy(whole, first, a);
  memcpy(whole + a, second, b);
  memcpy(whole + a + b, third, c + 1);
  return whole;
}

static const char *own_path(void) {
  if (self_path) return self_path;
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  return self_path = join(path, "", "");
}

/** `launcher-` and twelve hexadecimal digits: a launcher of this or another build in somebody's cache. */
static int is_launcher_name(const char *name) {
  if (strncmp(name, "launcher-", 9) != 0) return 0;
  return strlen(name + 9) == 12 && strspn(name + 9, "0123456789abcdef") == 12;
}

static int is_our_name(const char *path) {
  const char *name = last_part(path);
  return strcmp(name, "icets") == 0 || is_launcher_name(name);
}

/** Is the file that this path leads to, through however many links, called like a launcher or like the `icets` script? */
static int leads_to_our_name(const char *path) {
  char at[PATH_MAX], target[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof at) return 0;
  memcpy(at, path, length + 1);
  for (int links = 0; links < MAX_LINKS; links++) {
    ssize_t got = readlink(at, target, sizeof target - 1);
    if (got < 0) return errno == EINVAL && is_our_name(at);
    size_t kept = target[0] == '/' ? 0 : (size_t)(last_part(at) - at);
    if (kept + (size_t)got >= sizeof at) return 0;
    memcpy(at + kept, target, (size_t)got);
    at[kept + (size_t)got] = 0;
  }
  return 0;
}

static int is_ourselves(const char *path, const struct stat *status) {
  return (status->st_dev == self.st_dev && status->st_ino == self.st_ino) || leads_to_our_name(path);
}

static void file_identity(char *room, const struct stat *status) {
  struct digits digits;
  const char *text = decimal(&digits, status->st_dev);
  size_t length = strlen(text);
  memcpy(room, text, length);
  room[length++] = ':';
  text = decimal(&digits, status->st_ino);
  memcpy(room + length, text, strlen(text) + 1);
}

enum { IDENTITY_BYTES = 48 };

/** The guard is a list `dev:ino/dev:ino/...` of what launchers above us have started: the launcher first. */
static int guard_names(const char *guard, const struct stat *status) {
  char identity[IDENTITY_BYTES];
  file_identity(identity, status);
  size_t length = strlen(identity);
  for (const char *at = guard; at && *at;) {
    const char *end = strchr(at, '/');
    size_t part = end ? (size_t)(end - at) : strlen(at);
    if (part == length && memcmp(at, identity, length) == 0) return 1;
    at = end ? end + 1 : NULL;
  }
  return 0;
}

/** The next program of that name on PATH that is not us, nor named by the guard; null when there is none. */
static char *find_on_path(const char *name, const char *guard) {
  const char *path = getenv("PATH");
  if (!path) path = "/usr/local/bin:/usr/bin:/bin";
  size_t name_length = strlen(name);
  while (path) {
    const char *end = strchr(path, ':');
    size_t length = end ? (size_t)(end - path) : strlen(path);
    char candidate[PATH_MAX];
    if (length + name_length + 3 <= sizeof candidate) {
      size_t used = 0;
      if (length == 0) {
        candidate[used++] = '.';
      } else {
        memcpy(candidate, path, length);
        used = length;
      }
      candidate[used++] = '/';
      memcpy(candidate + used, name, name_length + 1);
      struct stat status;
      if (stat(candidate, &status) == 0 && S_ISREG(status.st_mode) && access(candidate, X_OK) == 0 &&
          !is_ourselves(candidate, &status) && !(guard && guard_names(guard, &status)))
        return join(candidate, "", "");
    }
    path = end ? end + 1 : NULL;
  }
  return NULL;
}

static int is_assignment_of(const char *entry, const char *name) {
  size_t length = strlen(name);
  return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/** The environment with `ICETS_GUARD` saying that we are above, and what we start. */
static char **guarded_environment(const char *program) {
  const char *before = getenv("ICETS_GUARD");
  char ours[IDENTITY_BYTES], started[IDENTITY_BYTES] = "";
  file_identity(ours, &self);
  struct stat status;
  if (stat(program, &status) == 0) file_identity(started, &status);
  char *chain = join(before && *before ? before : ours, "/", started);
  char *guard = join("ICETS_GUARD=", chain, "");
  size_t count = 0;
  while (environ[count]) count++;
  char **environment = malloc((count + 2) * sizeof *environment);
  if (!environment) return environ;
  size_t used = 0;
  for (size_t i = 0; i < count; i++)
    if (!is_assignment_of(environ[i], "ICETS_GUARD")) environment[used++] = environ[i];
  environment[used++] = guard;
  environment[used] = NULL;
  return environment;
}

/** execve, and as the shell does, a script without an interpreter line through sh. Returns only on failure. */
static void exec_program(const char *program, char **argv, char **environment) {
  execve(program, argv, environment);
  if (errno != ENOEXEC) return;
  char *first = argv[0];
  argv[-1] = (char *)"/bin/sh";
  argv[0] = (char *)program;
  execve("/bin/sh", argv - 1, environment);
  argv[0] = first;
  errno = ENOEXEC;
}

static int exit_code_of(int error) { return error == ENOENT || error == ENOTDIR ? 127 : 126; }

static _Noreturn void run_directly(const struct command *c, const char *why) {
  DEBUG("run directly: ", why);
  exec_program(c->program, c->argv, guarded_environment(c->program));
  int error = errno;
  say("icets: cannot run ", c->program, ": ", strerror(error), (char *)NULL);
  _exit(exit_code_of(error));
}

// ---------------------------------------------------------------------------------------------- the command line tool

static const char *const own_commands[] = {
    "run",    "make",    "ninja", "cmake",  "up",     "down",    "scheduler", "worker", "agent", "invite", "join",
    "status", "top",     "monitor", "report", "explain", "doctor", "audit",     "cache",  "help",  "version",
};

static int is_own_command(const char *word) {
  if (word[0] == '-') return 1;
  for (size_t i = 0; i < sizeof own_commands / sizeof *own_commands; i++)
    if (strcmp(word, own_commands[i]) == 0) return 1;
  return 0;
}

/**
 * Where the package is and which node was there when the launcher was built: the first lines of `<launcher>.home`. A
 * launcher in the package's own bin/ has `..` for the first, so that the package may be moved.
 */
struct home {
  char *root;
  char *node;
};

static struct home find_home(void) {
  struct home home = {NULL, NULL};
  char text[2 * PATH_MAX];
  char *file = join(own_path(), ".home", "");
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  free(file);
  if (fd >= 0) {
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    char *end = strchr(text, '\n');
    if (end) {
      *end = 0;
      char *second = end + 1;
      if ((end = strchr(second, '\n'))) *end = 0;
      if (*second) home.node = join(second, "", "");
    }
    if (strcmp(text, "..") == 0) {
      home.root = join(own_path(), "", "");
      for (int levels = 0; levels < 2 && (end = strrchr(home.root, '/')); levels++) *end = 0;
    } else if (*text) {
      home.root = join(text, "", "");
    }
  }
  const char *told = getenv("ICETS_HOME");
  if (told && *told) home.root = join(told, "", "");
  return home;
}

static char *find_node(const struct home *home) {
  const char *told = getenv("ICETS_NODE");
  if (told && *told) return strchr(told, '/') ? join(told, "", "") : find_on_path(told, NULL);
  char *found = find_on_path("node", NULL);
  if (found) return found;
  return home->node && access(home->node, X_OK) == 0 ? home->node : NULL;
}

/** Runs `node <home>/dist/icets.mjs ARGS`. NODE_EXTRA_CA_CERTS triples node's start: it travels under another name. */
static _Noreturn void run_own_command(char **arguments) {
  struct home home = find_home();
  if (!home.root) {
    say("icets: ", own_path(), ".home names no icets package; set ICETS_HOME", (char *)NULL);
    _exit(127);
  }
  char *node = find_node(&home);
  if (!node) {
    say("icets: no node found on PATH; set ICETS_NODE", (char *)NULL);
    _exit(127);
  }
  size_t count = 0;
  while (arguments[count]) count++;
  char **argv = malloc((count + 4) * sizeof *argv);
  if (!argv) _exit(126);
  argv++;
  argv[0] = node;
  argv[1] = join(home.root, "/dist/icets.mjs", "");
  memcpy(argv + 2, arguments, (count + 1) * sizeof *argv);
  for (char **entry = environ; *entry; entry++)
    if (is_assignment_of(*entry, "NODE_EXTRA_CA_CERTS")) *entry = join("ICETS_SAVED_", *entry, "");
  DEBUG("own command: ", node, " ", argv[1]);
  exec_program(node, argv, environ);
  int error = errno;
  say("icets: cannot run ", node, ": ", strerror(error), (char *)NULL);
  _exit(exit_code_of(error));
}

// ---------------------------------------------------------------------------------------------------- the socket

struct place {
  char *folder;
  char *socket;  // short enough for sun_path
};

enum reach { REACHED, NOBODY, BUSY, UNUSABLE };

static int is_private_folder(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
         (status.st_mode & 0777) == 0700;
}

/** The socket's folder, made when it is missing; 0 with a reason when it is not safe to use. */
static int find_place(struct place *place, const char **why) {
  const char *told = getenv("ICETS_SOCKET_DIR");
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  struct stat status;
  if (told && *told) {
    place->folder = join(told, "", "");
  } else if (runtime && *runtime == '/' && stat(runtime, &status) == 0 && S_ISDIR(status.st_mode) &&
             status.st_uid == geteuid() && (status.st_mode & 0700) == 0700) {
    place->folder = join(runtime, "/icets", "");
  } else {
    const char *temporary = getenv("TMPDIR");
    struct digits digits;
    if (!temporary || *temporary != '/') temporary = "/tmp";
    place->folder = join(temporary, "/icets-", decimal(&digits, geteuid()));
  }
  size_t length = strlen(place->folder);
  while (length > 1 && place->folder[length - 1] == '/') place->folder[--length] = 0;
  *why = "the socket folder is not an absolute path";
  if (place->folder[0] != '/') return 0;
  *why = "the socket folder is not a private folder of ours";
  if (!is_private_folder(place->folder)) {
    if (mkdir(place->folder, 0700) != 0) {
      if (errno != EEXIST) return 0;
    } else if (chmod(place->folder, 0700) != 0) {
      return 0;
    }
    if (!is_private_folder(place->folder)) return 0;
  }
  place->socket = join(place->folder, "/agent.sock", "");
  if (strlen(place->socket) < sizeof((struct sockaddr_un *)NULL)->sun_path) return 1;
  int fd = open(place->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  struct digits digits;
  free(place->socket);
  place->socket = join("/proc/self/fd/", decimal(&digits, (uint64_t)fd), "/agent.sock");
  return 1;
}

/** Who listens on the other side of a connected socket. */
static int find_peer(int fd, struct ucred *peer) {
  socklen_t length = sizeof *peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &length) == 0;
}

static enum reach connect_agent(const struct place *place, int *connected) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return UNUSABLE;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, place->socket, strlen(place->socket));
  int result;
  do result = connect(fd, (struct sockaddr *)&address, sizeof address);
  while (result != 0 && errno == EINTR);
  if (result != 0) {
    int error = errno;
    close(fd);
    if (error == EAGAIN) return BUSY;
    return error == ENOENT || error == ECONNREFUSED ? NOBODY : UNUSABLE;
  }
  struct ucred peer;
  if (!find_peer(fd, &peer) || peer.uid != geteuid()) {
    close(fd);
    return UNUSABLE;
  }
  *connected = fd;
  return REACHED;
}

static void nap(int milliseconds) {
  struct timespec time = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
  nanosleep(&time, NULL);
}

/** Was this file touched less than so many seconds ago? */
static int is_fresh(const char *path, int seconds) {
  struct stat status;
  if (stat(path, &status) != 0) return 0;
  time_t age = time(NULL) - status.st_mtime;
  return age >= 0 && age < seconds;
}

static void touch(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  futimens(fd, NULL);
  close(fd);
}

static void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  struct rlimit limit;
  int last = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
  for (int fd = first; fd < last; fd++) close(fd);
}

/** Variables of the build at hand, or of tricks played on it, which an agent that outlives it must not see. */
static const char *const not_for_agents[] = {"NODE_EXTRA_CA_CERTS", "MAKEFLAGS",  "MAKELEVEL",  "MFLAGS",
                                             "NODE_OPTIONS",        "LD_PRELOAD", "ICETS_GUARD"};

static char **agent_environment(void) {
  size_t count = 0, used = 0;
  while (environ[count]) count++;
  char **environment = malloc((count + 1) * sizeof *environment);
  if (!environment) return environ;
  for (size_t i = 0; i < count; i++) {
    int dropped = 0;
    for (size_t k = 0; k < sizeof not_for_agents / sizeof *not_for_agents; k++)
      dropped |= is_assignment_of(environ[i], not_for_agents[k]);
    if (!dropped) environment[used++] = environ[i];
  }
  environment[used] = NULL;
  return environment;
}

/** In a process of its own: becomes the agent. */
static _Noreturn void become_agent(char **argv, char **environment) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int kind = 0; kind < RLIM_NLIMITS; kind++) {
    struct rlimit limit;
    if (kind == RLIMIT_STACK || getrlimit(kind, &limit) != 0) continue;
    limit.rlim_cur = kind == RLIMIT_CORE ? 0 : limit.rlim_max;
    setrlimit(kind, &limit);
  }
  umask(077);
  int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || chdir("/") != 0) _exit(126);
  close_from(3);
  execve(argv[0], argv, environment);
  _exit(127);
}

/** Starts an agent that is nobody's child; answers a pidfd of it (or -1 when there is no such thing), -2 on failure. */
static int start_agent(const struct place *place) {
  struct home home = find_home();
  if (!home.root) return -2;
  char *node = find_node(&home);
  if (!node) return -2;
  char *argv[] = {node, join(home.root, "/dist/agent.mjs", ""), (char *)"--socket-dir", place->folder, NULL};
  if (access(argv[1], R_OK) != 0) return -2;
  char **environment = agent_environment();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return -2;
  DEBUG("start an agent: ", node, " ", argv[1]);
  pid_t middle = fork();
  if (middle < 0) return -2;
  if (middle == 0) {
    setsid();
    pid_t agent = fork();
    if (agent == 0) become_agent(argv, environment);
    ssize_t told = write(pipe_ends[1], &agent, sizeof agent);
    _exit(agent > 0 && told == (ssize_t)sizeof agent ? 0 : 1);
  }
  close(pipe_ends[1]);
  pid_t agent = -1;
  ssize_t length;
  do length = read(pipe_ends[0], &agent, sizeof agent);
  while (length < 0 && errno == EINTR);
  close(pipe_ends[0]);
#ifdef SYS_pidfd_open
  int watch = length == (ssize_t)sizeof agent && agent > 0 ? (int)syscall(SYS_pidfd_open, agent, 0) : -1;
#else
  int watch = -1;
#endif
  int status;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  if (length != (ssize_t)sizeof agent || agent <= 0) return -2;
  return watch < 0 ? -1 : watch;
}

static int has_ended(int pidfd) {
  if (pidfd < 0) return 0;
  struct pollfd poller = {.fd = pidfd, .events = POLLIN};
  return poll(&poller, 1, 0) > 0;
}

/**
 * A connected socket, or -1 with the reason. Of many launchers that find nobody, the one that gets the lock starts
 * an agent; it and all the others wait until the socket accepts.
 */
static int reach_agent(const struct place *place, const char **why) {
  int fd;
  enum reach reach = connect_agent(place, &fd);
  if (reach == REACHED) return fd;
  int64_t deadline = now_ms() + setting_ms("ICETS_START_MS", START_MS);
  char *failed = join(place->folder, "/agent.failed", "");
  int lock = -1, started = 0, watch = -1, pause = 5;
  *why = "the agent cannot be reached";
  for (;;) {
    if (reach == REACHED) break;
    if (reach == UNUSABLE) break;
    if (reach == NOBODY && !started) {
      if (lock < 0) {
        char *path = join(place->folder, "/agent.lock", "");
        lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        free(path);
        if (lock < 0) break;
      }
      if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        // Whoever held it before us may have been lucky, or not.
        if ((reach = connect_agent(place, &fd)) == REACHED) break;
        if (reach == NOBODY) {
          *why = "the last agent did not start, less than 10 s ago";
          if (is_fresh(failed, FAILED_FOR_S)) break;
          *why = "no agent could be started";
          started = 1;
          if ((watch = start_agent(place)) == -2) {
            touch(failed);
            break;
          }
        }
      }
    }
    if (now_ms() >= deadline || has_ended(watch)) {
      // It may have ended because another one answers by now.
      if ((reach = connect_agent(place, &fd)) != REACHED && started) touch(failed);
      break;
    }
    nap(pause);
    if (pause < 40) pause *= 2;
    reach = connect_agent(place, &fd);
  }
  if (reach == REACHED && started) unlink(failed);
  if (watch >= 0) close(watch);
  if (lock >= 0) close(lock);
  free(failed);
  return reach == REACHED ? fd : -1;
}

// ------------------------------------------------------------------------------------------------- the conversation

/** Sends everything, as long as some of it leaves within the time given. */
static int send_all(int fd, const unsigned char *data, size_t length, int patience_ms) {
  while (length) {
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      length -= (size_t)sent;
    } else if (sent < 0 && errno == EAGAIN) {
      struct pollfd poller = {.fd = fd, .events = POLLOUT};
      int ready = poll(&poller, 1, patience_ms);
      if (ready == 0) return 0;
      if (ready < 0 && errno != EINTR) return 0;
    } else if (sent < 0 && errno != EINTR) {
      return 0;
    }
  }
  return 1;
}

struct inbox {
  int fd;
  struct bytes held;
  size_t at;  // start of what has not been given out
};

struct frame {
  unsigned type;
  struct fields fields;
};

/** Does the agent compute, or wait for a disk? One that is stopped, or waits for something else, does not. */
static int is_busy(int fd) {
  struct ucred peer;
  if (!find_peer(fd, &peer) || peer.pid <= 0) return 0;
  struct digits digits;
  char *path = join("/proc/", decimal(&digits, (uint64_t)peer.pid), "/stat");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  free(path);
  if (file < 0) return 0;
  char text[128];
  ssize_t got = read(file, text, sizeof text);
  close(file);
  // The state stands behind the name, which is in parentheses and short: pid (name) S
  ssize_t at = got;
  while (at > 0 && text[at - 1] != ')') at--;
  char state = 0 < at && at + 1 < got ? text[at + 1] : 0;
  return state == 'R' || state == 'D';
}

/** The next frame, valid until the next call; 0 with a reason on silence, end, error or a length that cannot be. */
static int next_frame(struct inbox *inbox, struct frame *frame, int patience_ms, const char **why) {
  int silent_ms = 0;
  for (;;) {
    size_t have = inbox->held.used - inbox->at;
    size_t wanted = HEADER_BYTES;
    if (have >= HEADER_BYTES) {
      struct fields header = {inbox->held.at + inbox->at, HEADER_BYTES, 0};
      size_t length = take_number(&header, 4);
      if (length > MAX_FRAME) {
        *why = "the agent sent a frame that is too long";
        return 0;
      }
      wanted += length;
      if (have >= wanted) {
        frame->type = (unsigned)take_number(&header, 1);
        frame->fields = (struct fields){inbox->held.at + inbox->at + HEADER_BYTES, length, 0};
        inbox->at += wanted;
        return 1;
      }
    }
    if (inbox->at) {
      memmove(inbox->held.at, inbox->held.at + inbox->at, have);
      inbox->held.used = have;
      inbox->at = 0;
    }
    // Room grows with what has arrived, never with what a length promises.
    if (inbox->held.used == inbox->held.room && !make_room(&inbox->held, inbox->held.room ? inbox->held.room : 65536)) {
      *why = "out of memory";
      return 0;
    }
    // Hardly ever is there an answer before we wait for it.
    struct pollfd poller = {.fd = inbox->fd, .events = POLLIN};
    int ready = poll(&poller, 1, patience_ms);
    if (ready == 0) {
      silent_ms += patience_ms;
      if (silent_ms < BUSY_FOR_MS && is_busy(inbox->fd)) continue;
      *why = "the agent was silent for too long";
      errno = ETIMEDOUT;
      return 0;
    }
    if (ready < 0) {
      if (errno == EINTR) continue;
      *why = "the agent cannot be heard";
      return 0;
    }
    ssize_t got = recv(inbox->fd, inbox->held.at + inbox->held.used, inbox->held.room - inbox->held.used, 0);
    if (got > 0) {
      inbox->held.used += (size_t)got;
    } else if (got == 0) {
      *why = "the agent went away";
      return 0;
    } else if (errno != EINTR && errno != EAGAIN) {
      *why = "the connection to the agent broke";
      return 0;
    }
  }
}

/** What the environment of a command may change in its result; everything else stays here. */
static const char *const sent_names[] = {
    "PATH",          "PWD",          "HOME",           "TMPDIR",         "TMP",
    "TEMP",          "TZ",           "TZDIR",          "COLORTERM",      "COLUMNS",
    "LINES",         "NO_COLOR",     "FORCE_COLOR",    "VTE_VERSION",    "LANG",
    "LANGUAGE",      "LOCPATH",      "NLSPATH",        "GCONV_PATH",     "OUTPUT_CHARSET",
    "GNUTARGET",     "LD_AUDIT",     "CPATH",          "C_INCLUDE_PATH", "QA_OVERRIDE_GCC3_OPTIONS",
    "CPLUS_INCLUDE_PATH",            "OBJC_INCLUDE_PATH",                "OBJCPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",  "COMPILER_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD",   "SOURCE_DATE_EPOCH",
    "DEPENDENCIES_OUTPUT",           "SUNPRO_DEPENDENCIES",              "EXPERIMENTAL_SARIF_SOCKET",
    "MAKEFLAGS",     "MAKELEVEL",    "NINJA_STATUS",
};
static const char *const sent_prefixes[] = {"LC_",  "GCC_",  "CLANG_",   "CC_",   "CCC_",
                                            "AS_", "TERM", "CLICOLOR", "ASAN_", "CMAKE_", "ICETS_"};

static int is_sent(const char *entry) {
  for (size_t i = 0; i < sizeof sent_prefixes / sizeof *sent_prefixes; i++)
    if (*entry == *sent_prefixes[i] && strncmp(entry, sent_prefixes[i], strlen(sent_prefixes[i])) == 0)
      return strchr(entry, '=') != NULL;
  for (size_t i = 0; i < sizeof sent_names / sizeof *sent_names; i++)
    if (*entry == *sent_names[i] && is_assignment_of(entry, sent_names[i])) return 1;
  return 0;
}

/** `patient`: the agent may keep its greeting until it has something to say. */
static void put_hello(struct bytes *out, const char *version, uint64_t built_ms, int patient) {
  size_t start = begin_frame(out, F_HELLO);
  put(out, "ICET", 4);
  put_u16(out, PROTOCOL);
  put_u16(out, 0);
  put_u64(out, built_ms);
  put_text(out, version);
  put_u32(out, patient ? 2 : 1);
  put_text(out, "output");
  if (patient) put_text(out, "patient");
  end_frame(out, start);
}

struct request {
  uint32_t pid, umask;
  uint64_t mount_namespace, root_device, root_inode;
  unsigned terminals;  // bit 0: stdout, bit 1: stderr
  unsigned columns, rows;
  const char *cwd, *program;
  char **argv, **environment;
};

static void put_request(struct bytes *out, const struct request *r) {
  size_t start = begin_frame(out, F_REQUEST);
  put_u32(out, r->pid);
  put_u32(out, r->umask);
  put_u64(out, r->mount_namespace);
  put_u64(out, r->root_device);
  put_u64(out, r->root_inode);
  put_u8(out, r->terminals);
  put_u16(out, r->columns);
  put_u16(out, r->rows);
  put_text(out, r->cwd);
  put_text(out, r->program);
  size_t count = 0;
  while (r->argv[count]) count++;
  put_u32(out, count);
  for (size_t i = 0; i < count; i++) put_text(out, r->argv[i]);
  size_t counted_at = out->used;
  put_u32(out, 0);
  count = 0;
  for (char **entry = r->environment; *entry; entry++)
    if (is_sent(*entry)) {
      put_text(out, *entry);
      count++;
    }
  if (!out->bad) set_u32(out, counted_at, count);
  end_frame(out, start);
}

struct ended {
  int status;  // as wait gives it
  uint64_t user_us, system_us, max_rss_bytes, wall_us;
};

static void put_status(struct bytes *out, int status) {
  int signalled = WIFSIGNALED(status);
  put_u8(out, signalled ? 2 : 1);
  put_u32(out, (uint32_t)(signalled ? WTERMSIG(status) : WEXITSTATUS(status)));
}

static void put_ended(struct bytes *out, const struct ended *e) {
  size_t start = begin_frame(out, F_ENDED);
  put_status(out, e->status);
  put_u64(out, e->user_us);
  put_u64(out, e->system_us);
  put_u64(out, e->max_rss_bytes);
  put_u64(out, e->wall_us);
  end_frame(out, start);
}

static void put_committed(struct bytes *out, int succeeded, uint32_t index, int error) {
  size_t start = begin_frame(out, F_COMMITTED);
  put_u8(out, (unsigned)succeeded);
  put_u32(out, index);
  put_u32(out, (uint32_t)error);
  end_frame(out, start);
}

/** Reads the agent's Hello: 0 when it is none, or of a protocol that is not ours. */
static int read_hello(struct fields *f) {
  int magic = f->left >= 4 && memcmp(f->at, "ICET", 4) == 0;
  take_number(f, 4);
  uint64_t protocol = take_number(f, 2);
  take_number(f, 2);
  take_number(f, 8);
  size_t length;
  take_bytes(f, &length);
  size_t features = take_number(f, 4);
  if (features > f->left / 4) f->bad = 1;
  for (size_t i = 0; i < features && !f->bad; i++) take_bytes(f, &length);
  return magic && !f->bad && protocol == PROTOCOL;
}

struct renaming {
  const char *from, *to;
};

struct result {
  uint32_t exit_code;
  unsigned char *out, *err;
  size_t out_length, err_length;
  struct renaming *renames;
  size_t rename_count;
  char **unlinks;
};

static int read_result(struct fields *f, struct result *r) {
  memset(r, 0, sizeof *r);
  r->exit_code = (uint32_t)take_number(f, 4);
  r->out = take_bytes(f, &r->out_length);
  r->err = take_bytes(f, &r->err_length);
  size_t count = take_number(f, 4);
  if (count > f->left / 8) f->bad = 1;
  if (f->bad) return 0;
  r->renames = malloc((count + 1) * sizeof *r->renames);
  if (!r->renames) return 0;
  r->rename_count = count;
  for (size_t i = 0; i < count; i++) {
    r->renames[i].from = take_string(f);
    r->renames[i].to = take_string(f);
    if (!*r->renames[i].from || !*r->renames[i].to) f->bad = 1;
  }
  r->unlinks = take_strings(f);
  return !f->bad && r->exit_code <= 255;
}

static void write_out(int fd, const unsigned char *data, size_t length) {
  while (length) {
    ssize_t written = write(fd, data, length);
    if (written > 0) {
      data += written;
      length -= (size_t)written;
    } else if (written < 0 && errno == EAGAIN) {
      struct pollfd poller = {.fd = fd, .events = POLLOUT};
      poll(&poller, 1, -1);
    } else if (written < 0 && errno != EINTR) {
      return;
    }
  }
}

// ---------------------------------------------------------------------------------------------------- ends of a command

static const int passed_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/** The signals that would end us, without those that our parent wants ignored. */
static void ending_signals(sigset_t *set) {
  sigemptyset(set);
  for (size_t i = 0; i < sizeof passed_signals / sizeof *passed_signals; i++) {
    struct sigaction action;
    if (sigaction(passed_signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(set, passed_signals[i]);
  }
}

static _Noreturn void end_as(int status) {
  if (!WIFSIGNALED(status)) _exit(WEXITSTATUS(status));
  int number = WTERMSIG(status);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigaction(number, &usual, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  kill(getpid(), number);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  _exit(128 + number);
}

struct start {
  const struct command *command;
  char **environment;
  const sigset_t *mask;
  int ignore_children;
  pid_t parent;
  volatile int error;
};

/** The child of vfork shares our memory until it execs; every signal is blocked meanwhile. */
static pid_t __attribute__((noinline)) start_here(struct start *s) {
  pid_t child = vfork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (s->ignore_children) signal(SIGCHLD, SIG_IGN);
  sigprocmask(SIG_SETMASK, s->mask, NULL);
  if (getppid() == s->parent) exec_program(s->command->program, s->command->argv, s->environment);
  s->error = errno;
  _exit(127);
}

/** Runs the command as a child of ours, with all that is the user's, and tells the agent how it went. */
static _Noreturn void run_here(const struct command *c, int fd, const char *step) {
  DEBUG("run locally, step ", step);
  sigset_t watched, all, before;
  ending_signals(&watched);
  sigaddset(&watched, SIGCHLD);
  sigfillset(&all);
  struct sigaction child_action, usual = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &usual, &child_action);
  sigprocmask(SIG_SETMASK, &all, &before);
  sigset_t blocked = before;
  for (int number = 1; number < NSIG; number++)
    if (sigismember(&watched, number) == 1) sigaddset(&blocked, number);
  // A signal that the user blocked stays blocked, pending, for the child to inherit its mask and for us to leave alone.
  for (size_t i = 0; i < sizeof passed_signals / sizeof *passed_signals; i++)
    if (sigismember(&before, passed_signals[i]) == 1) sigdelset(&watched, passed_signals[i]);

  struct start start = {.command = c,
                        .environment = guarded_environment(c->program),
                        .mask = &before,
                        .ignore_children = child_action.sa_handler == SIG_IGN,
                        .parent = getpid()};
  int64_t began = now_us();
  pid_t child = start_here(&start);
  int fork_error = errno;
  sigprocmask(SIG_SETMASK, &blocked, NULL);
  if (child < 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    DEBUG("no new process: ", strerror(fork_error));
    close(fd);
    run_directly(c, "no process could be started");
  }

  struct ended ended = {0};
  struct rusage usage;
  int pending = 0;
  int64_t forward_at = 0;
  while (wait4(child, &ended.status, WNOHANG, &usage) != child) {
    siginfo_t info;
    int number;
    if (pending) {
      int64_t left = forward_at - now_ms();
      struct timespec time = {0, left > 0 ? left * 1000000 : 0};
      number = sigtimedwait(&watched, &info, &time);
    } else {
      number = sigwaitinfo(&watched, &info);
    }
    if (number > 0 && number != SIGCHLD && info.si_code <= 0 && info.si_pid != child) {
      // Somebody sent it: to us alone, or to our whole group. In the second case the child has it as well and
      // is about to end. The kernel's own (a key of the terminal, si_code > 0) always go to the whole group.
      if (pending) kill(child, pending);
      pending = number;
      forward_at = now_ms() + FORWARD_MS;
    }
    if (pending && now_ms() >= forward_at) {
      kill(child, pending);
      pending = 0;
    }
  }
  ended.wall_us = (uint64_t)(now_us() - began);
  ended.user_us = micros(usage.ru_utime);
  ended.system_us = micros(usage.ru_stime);
  ended.max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
  if (start.error) {
    say("icets: cannot run ", c->program, ": ", strerror(start.error), (char *)NULL);
    ended.status = exit_code_of(start.error) << 8;
  }
  struct bytes out = {0};
  put_ended(&out, &ended);
  if (!out.bad) send_all(fd, out.at, out.used, FARE_WELL_MS);
  end_as(ended.status);
}

/**
 * rename(2) by other means where the target is there: a file that replaces another one by its name is written out to the
 * disk at once by ext4 and others, which costs ten times as much as to exchange the two and remove the old one.
 */
static int put_in_place(const char *from, const char *to) {
#ifdef SYS_renameat2
  enum { NO_REPLACEMENT = 1, EXCHANGE = 2 };
  if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NO_REPLACEMENT) == 0) return 0;
  struct stat status;
  if (errno == EEXIST && lstat(to, &status) == 0 && S_ISREG(status.st_mode) &&
      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, EXCHANGE) == 0) {
    if (unlink(from) == 0) return 0;
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, EXCHANGE) != 0) return -1;
  }
#endif
  return rename(from, to);
}

/** The commit point: nothing of a remote result is visible before, and no agent can change anything after. */
static _Noreturn void commit(const struct command *c, int fd, const struct result *r, const struct bytes *earlier) {
  sigset_t ending, before;
  ending_signals(&ending);
  sigprocmask(SIG_BLOCK, &ending, &before);
  size_t done = 0;
  int error = 0;
  while (done < r->rename_count && !error) {
    if (put_in_place(r->renames[done].from, r->renames[done].to) != 0)
      error = errno;
    else
      done++;
  }
  if (!error)
    for (char **path = r->unlinks; *path; path++) unlink(*path);
  struct bytes out = {0};
  put_committed(&out, error == 0, (uint32_t)done, error);
  if (!out.bad) send_all(fd, out.at, out.used, FARE_WELL_MS);
  close(fd);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (error) {
    DEBUG("cannot put ", r->renames[done].to, " in place: ", strerror(error));
    run_directly(c, "a result could not be put in place");
  }
  DEBUG("done elsewhere");
  struct fields segments = {earlier->at, earlier->used, 0};
  while (segments.left) {
    int stream = (int)take_number(&segments, 1);
    size_t length;
    unsigned char *data = take_bytes(&segments, &length);
    write_out(stream, data, length);
  }
  write_out(STDOUT_FILENO, r->out, r->out_length);
  write_out(STDERR_FILENO, r->err, r->err_length);
  _exit((int)r->exit_code);
}

static void describe(struct request *r, const struct command *c) {
  static char cwd[PATH_MAX];
  memset(r, 0, sizeof *r);
  r->pid = (uint32_t)getpid();
  mode_t mask = umask(0);
  umask(mask);
  r->umask = mask;
  struct stat status;
  if (stat("/proc/self/ns/mnt", &status) == 0) r->mount_namespace = status.st_ino;
  if (stat("/", &status) == 0) {
    r->root_device = status.st_dev;
    r->root_inode = status.st_ino;
  }
  r->terminals = (isatty(STDOUT_FILENO) ? 1U : 0U) | (isatty(STDERR_FILENO) ? 2U : 0U);
  struct winsize size;
  if (r->terminals && ioctl(r->terminals & 2 ? STDERR_FILENO : STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    r->columns = size.ws_col;
    r->rows = size.ws_row;
  }
  r->cwd = getcwd(cwd, sizeof cwd);
  r->program = c->program;
  r->argv = c->argv;
  r->environment = environ;
}

/**
 * Leaves a note that this command ran without the agent, so that a record can be made of it later: two frames at the end
 * of `unserved`, written at once. Nothing depends on it.
 */
static void note_unserved(const struct place *place, const struct request *request, const char *why) {
  char *path = join(place->folder, "/unserved", "");
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  free(path);
  if (fd < 0) return;
  struct stat status;
  struct timespec now;
  if (fstat(fd, &status) == 0 && status.st_size < UNSERVED_BYTES && clock_gettime(CLOCK_REALTIME, &now) == 0) {
    struct bytes note = {0};
    size_t start = begin_frame(&note, F_UNSERVED);
    put_u64(&note, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    put_text(&note, why);
    end_frame(&note, start);
    put_request(&note, request);
    if (!note.bad && write(fd, note.at, note.used) < 0) DEBUG("no note was left", "");
    free(note.at);
  }
  close(fd);
}

static _Noreturn void ask_agent(const struct command *c) {
  const char *why = "";
  struct request request;
  describe(&request, c);
  if (!request.cwd) run_directly(c, "the working directory has no name");
  struct place place;
  if (!find_place(&place, &why)) run_directly(c, why);
  int fd = reach_agent(&place, &why);
  if (fd < 0) {
    note_unserved(&place, &request, why);
    run_directly(c, why);
  }

  int patience = setting_ms("ICETS_HEARTBEAT_MS", HEARTBEAT_MS);
  char *hung = join(place.folder, "/agent.hung", "");
  int suspected = is_fresh(hung, SUSPECT_FOR_S);
  struct bytes out = {0};
  put_hello(&out, ICETS_VERSION, (uint64_t)self.st_mtim.tv_sec * 1000 + (uint64_t)self.st_mtim.tv_nsec / 1000000,
            !suspected);
  put_request(&out, &request);
  int first_patience = suspected && patience > SUSPECT_MS ? SUSPECT_MS : patience;
  if (out.bad || !send_all(fd, out.at, out.used, first_patience)) {
    touch(hung);
    close(fd);
    note_unserved(&place, &request, "the agent did not take the request");
    run_directly(c, "the agent did not take the request");
  }
  free(out.at);

  struct inbox inbox = {.fd = fd};
  struct frame frame;
  struct bytes earlier = {0};
  int greeted = 0;
  int told = 0;
  errno = 0;
  while (next_frame(&inbox, &frame, greeted ? patience : first_patience, &why)) {
    struct fields *f = &frame.fields;
    if (!greeted) {
      why = "the agent speaks another protocol";
      if (frame.type != F_HELLO || !read_hello(f)) break;
      greeted = 1;
      if (suspected) unlink(hung);
      continue;
    }
    why = "the agent sent something that cannot be understood";
    if (frame.type == F_HEARTBEAT) continue;
    if (frame.type == F_RUN_LOCALLY) {
      const char *step = take_string(f);
      if (f->bad) break;
      run_here(c, fd, step);
    }
    if (frame.type == F_EXEC) {
      why = "the agent says so";
      told = 1;
      break;
    }
    if (frame.type == F_OUTPUT) {
      uint64_t stream = take_number(f, 1);
      if (f->bad || (stream != 1 && stream != 2)) break;
      put_u8(&earlier, (unsigned)stream);
      put_u32(&earlier, f->left);
      put(&earlier, f->at, f->left);
      if (earlier.bad) break;
      continue;
    }
    if (frame.type == F_RESULT) {
      struct result result;
      if (!read_result(f, &result)) break;
      commit(c, fd, &result, &earlier);
    }
    if (frame.type == F_REFUSED) why = "the agent refused";
    break;
  }
  if (errno == ETIMEDOUT) touch(hung);
  close(fd);
  if (!told) note_unserved(&place, &request, why);
  run_directly(c, why);
}

// ------------------------------------------------------------------------------------------------------- the spawner

enum spawner_frame {
  S_SPAWN = 1,
  S_KILL = 2,
  S_HELLO = 16,
  S_STARTED = 17,
  S_OUTPUT = 18,
  S_EXITED = 19,
  S_FAILED = 20,
};

enum {
  SPAWNER_PROTOCOL = 2,
  MAX_CHILDREN = 4096,
  MAX_SPAWN_FRAME = 64 << 20,
  OUTBOX_BYTES = 1 << 20,  // when so much waits for the reader, the children wait too
  READ_BYTES = 64 << 10,
  DRAIN_MS = 2000,         // how long a pipe may stay open after the child that had it
  INNER_MS = 100,          // how long we wait for the inner process of a child that has ended
  INNER_FD = 3,            // where a child may tell the number of its inner process
};

struct child {
  uint32_t id;
  pid_t pid;
  int fds[2];  // stdout, stderr; -1 when at its end
  uint64_t got[2], limit;
  int64_t began_us, kill_at_ms, drain_until_ms;  // 0: never
  uint64_t wall_us;
  struct rusage usage;
  int status;
  int ended, truncated, timed_out;
  // Of a sandbox: what it runs in is a process that it leaves behind, and with it the figures of the program inside.
  int inner_fd;  // -1: there is none, or all has been read
  pid_t inner;   // 0: unknown
  int64_t inner_until_ms;  // 0: not awaited
  int inner_reaped;
  struct rusage inner_usage;
};

static struct child *children;
static size_t child_count, child_room;
static struct bytes outbox;
static size_t outbox_at;
static int null_fd;

static void post_failed(uint32_t id, int error, const char *what, const char *detail) {
  char *part = join(what, *detail ? " " : "", detail);
  char *message = join(part, ": ", strerror(error));
  size_t start = begin_frame(&outbox, S_FAILED);
  put_u32(&outbox, id);
  put_u32(&outbox, (uint32_t)error);
  put_text(&outbox, message);
  end_frame(&outbox, start);
  free(part);
  free(message);
}

struct spawn {
  uint32_t id;
  const char *executable;
  char **argv, **environment;
  const char *cwd;
  int terminal;
  struct winsize size;
  struct rlimit limits[4];
  int limited[4];
  uint64_t timeout_ms, output_limit;
  int tells_inner;
  int out, err, inner;  // the child's ends; inner is -1 when it has none
  const sigset_t *mask;
  pid_t parent;
  char path[PATH_MAX];
  volatile int error;
  const char *volatile failed;
};

static const int limit_kinds[4] = {RLIMIT_CPU, RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE};

/** In the child: the program, looked up on the PATH of its own environment when it has no slash. */
static void exec_spawned(struct spawn *s) {
  const char *name = s->executable;
  if (strchr(name, '/')) {
    exec_program(name, s->argv, s->environment);
    return;
  }
  const char *path = "/usr/local/bin:/usr/bin:/bin";
  for (char **entry = s->environment; *entry; entry++)
    if (is_assignment_of(*entry, "PATH")) path = *entry + 5;
  int denied = 0;
  size_t name_length = strlen(name);
  errno = ENOENT;
  while (path && name_length) {
    const char *end = strchr(path, ':');
    size_t length = end ? (size_t)(end - path) : strlen(path);
    if (length + name_length + 3 <= sizeof s->path) {
      memcpy(s->path, path, length);
      if (!length) s->path[length++] = '.';
      s->path[length] = '/';
      memcpy(s->path + length + 1, name, name_length + 1);
      exec_program(s->path, s->argv, s->environment);
      if (errno == EACCES)
        denied = 1;
      else if (errno != ENOENT && errno != ENOTDIR)
        return;
    }
    path = end ? end + 1 : NULL;
  }
  errno = denied ? EACCES : ENOENT;
}

static pid_t __attribute__((noinline)) start_spawned(struct spawn *s) {
  pid_t pid = vfork();
  if (pid != 0) return pid;
  // All dispositions are the default ones here: the spawner blocks signals and handles none.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
  s->failed = "cannot set up descriptors";
  if (getppid() == s->parent && dup2(null_fd, 0) == 0 && dup2(s->out, 1) == 1 && dup2(s->err, 2) == 2 &&
      (s->inner < 0 || dup2(s->inner, INNER_FD) == INNER_FD)) {
    s->failed = "cannot set limits";
    struct rlimit no_core = {0, 0};
    int limited = setrlimit(RLIMIT_CORE, &no_core) == 0;
    for (int i = 0; i < 4 && limited; i++)
      if (s->limited[i]) limited = setrlimit(limit_kinds[i], &s->limits[i]) == 0;
    if (limited) {
      s->failed = "cannot enter";
      if (chdir(s->cwd) == 0) {
        s->failed = "cannot run";
        sigprocmask(SIG_SETMASK, s->mask, NULL);
        exec_spawned(s);
      }
    }
  }
  s->error = errno ? errno : EIO;
  _exit(127);
}

/** A pseudo-terminal that passes output on as it is. */
static int open_terminal(const struct winsize *size, int *master, int *slave) {
  *slave = -1;
  *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*master < 0) return 0;
  char name[64];
  struct termios settings;
  if (grantpt(*master) == 0 && unlockpt(*master) == 0 && ptsname_r(*master, name, sizeof name) == 0 &&
      (*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0 && tcgetattr(*slave, &settings) == 0) {
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(*slave, TCSANOW, &settings) == 0 && ioctl(*master, TIOCSWINSZ, size) == 0) return 1;
  }
  int error = errno;
  close(*master);
  if (*slave >= 0) close(*slave);
  errno = error;
  return 0;
}

/** Lowers what is asked for to what may be had. */
static void bounded(struct rlimit *limit, int kind, uint64_t wanted) {
  struct rlimit now;
  limit->rlim_cur = limit->rlim_max = (rlim_t)wanted;
  if (getrlimit(kind, &now) == 0 && now.rlim_max != RLIM_INFINITY && limit->rlim_max > now.rlim_max)
    limit->rlim_cur = limit->rlim_max = now.rlim_max;
  // The soft limit of CPU time sends SIGXCPU, which a program may ignore; a second later the hard one kills.
  if (kind == RLIMIT_CPU && limit->rlim_max != RLIM_INFINITY &&
      (now.rlim_max == RLIM_INFINITY || limit->rlim_max < now.rlim_max))
    limit->rlim_max += 1;
}

static void spawn_child(struct fields *f, const sigset_t *mask) {
  static struct spawn s;  // large, and the child of vfork looks at it
  memset(&s, 0, offsetof(struct spawn, path));
  s.error = 0;
  s.id = (uint32_t)take_number(f, 4);
  s.executable = take_string(f);
  s.argv = take_strings(f);
  s.environment = take_strings(f);
  s.cwd = take_string(f);
  s.terminal = (int)take_number(f, 1);
  s.size.ws_col = (unsigned short)take_number(f, 2);
  s.size.ws_row = (unsigned short)take_number(f, 2);
  for (int i = 0; i < 4; i++) {
    uint64_t wanted = take_number(f, 8);
    s.limited[i] = wanted != UINT64_MAX;
    if (s.limited[i]) bounded(&s.limits[i], limit_kinds[i], wanted);
  }
  s.timeout_ms = take_number(f, 8);
  s.output_limit = take_number(f, 8);
  s.tells_inner = (int)take_number(f, 1);
  int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  const char *trouble = NULL;
  if (f->bad || !s.argv || !s.argv[0] || !s.environment) {
    errno = EINVAL;
    trouble = "malformed request";
  } else if (child_count == MAX_CHILDREN) {
    errno = EAGAIN;
    trouble = "too many children";
  } else if (pipe2(pipes[0], O_CLOEXEC) != 0) {
    trouble = "cannot make a pipe";
  } else if (s.terminal ? !open_terminal(&s.size, &pipes[1][0], &pipes[1][1]) : pipe2(pipes[1], O_CLOEXEC) != 0) {
    trouble = s.terminal ? "cannot make a terminal" : "cannot make a pipe";
    pipes[1][0] = pipes[1][1] = -1;
  } else if (s.tells_inner && pipe2(pipes[2], O_CLOEXEC) != 0) {
    trouble = "cannot make a pipe";
  }
  if (!trouble && child_count == child_room) {
    size_t room = child_room ? child_room * 2 : 64;
    struct child *grown = realloc(children, room * sizeof *children);
    if (grown) {
      children = grown;
      child_room = room;
    } else {
      trouble = "out of memory";
    }
  }
  const char *detail = "";
  pid_t pid = -1;
  int64_t began = now_us();
  if (!trouble) {
    if (!*s.executable) s.executable = s.argv[0];
    s.out = pipes[0][1];
    s.err = pipes[1][1];
    s.inner = pipes[2][1];
    s.mask = mask;
    s.parent = getpid();
    pid = start_spawned(&s);
    if (pid < 0) {
      trouble = "cannot fork";
    } else if (s.error) {
      while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
      }
      errno = s.error;
      trouble = s.failed;
      detail = strcmp(trouble, "cannot enter") == 0 ? s.cwd : s.executable;
    }
  }
  int error = errno;
  for (int i = 0; i < 3; i++)
    if (pipes[i][1] >= 0) close(pipes[i][1]);
  if (trouble) {
    for (int i = 0; i < 3; i++)
      if (pipes[i][0] >= 0) close(pipes[i][0]);
    post_failed(s.id, error, trouble, detail);
  } else {
    for (int i = 0; i < 3; i++)
      if (pipes[i][0] >= 0) fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
    children[child_count++] = (struct child){
        .id = s.id,
        .pid = pid,
        .fds = {pipes[0][0], pipes[1][0]},
        .inner_fd = pipes[2][0],
        .limit = s.output_limit,
        .began_us = began,
        .kill_at_ms = s.timeout_ms ? began / 1000 + (int64_t)s.timeout_ms : 0,
    };
    size_t start = begin_frame(&outbox, S_STARTED);
    put_u32(&outbox, s.id);
    put_u32(&outbox, (uint64_t)pid);
    end_frame(&outbox, start);
  }
  if (s.argv) free(s.argv - 1);
  if (s.environment) free(s.environment - 1);
}

static void kill_group(const struct child *c) {
  // Not reaped yet, so the number is still its own.
  if (!c->ended && kill(-c->pid, SIGKILL) != 0) kill(c->pid, SIGKILL);
}

static void kill_everything(void) {
  for (size_t i = 0; i < child_count; i++) kill_group(&children[i]);
}

/** Reads the number of the inner process: `"child-pid": N` in a few lines of JSON. The pipe stays until the child has ended. */
static void learn_inner(struct child *c) {
  static const char key[] = "\"child-pid\":";
  if (c->inner_fd < 0) return;
  char text[512];
  ssize_t got = c->inner ? 0 : read(c->inner_fd, text, sizeof text - 1);
  if (c->ended) {
    close(c->inner_fd);
    c->inner_fd = -1;
  }
  text[got > 0 ? got : 0] = 0;
  const char *at = strstr(text, key);
  if (!at) return;
  at += sizeof key - 1;
  while (*at == ' ') at++;
  int64_t number = 0;
  for (; *at >= '0' && *at <= '9' && number < INT32_MAX; at++) number = number * 10 + (*at - '0');
  if (number > 1 && number < INT32_MAX) c->inner = (pid_t)number;
}

static void keep_inner(pid_t pid, const struct rusage *usage) {
  for (size_t i = 0; i < child_count; i++) {
    struct child *c = &children[i];
    learn_inner(c);
    if (c->inner != pid || c->inner_reaped) continue;
    c->inner_reaped = 1;
    c->inner_until_ms = 0;
    c->inner_usage = *usage;
  }
}

/** The inner process came to us when the child ended. If it did not, the child has waited for it itself. */
static void await_inner(struct child *c, int64_t now) {
  learn_inner(c);
  if (!c->inner || c->inner_reaped) return;
  for (size_t i = 0; i < child_count; i++)
    if (children[i].pid == c->inner && !children[i].ended) return;  // the number was given again
  siginfo_t info = {.si_pid = 0};
  if (waitid(P_PID, (id_t)c->inner, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
  // Ours and not reaped yet, so the number is still its own. Without the child it has nothing to live for.
  kill(c->inner, SIGKILL);
  c->inner_until_ms = now + INNER_MS;
}

/** Takes the children that have ended; what they left in their group ends with them. Orphans of theirs come here too. */
static void reap_children(void) {
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    struct child *c = NULL;
    for (size_t i = 0; i < child_count; i++)
      if (children[i].pid == info.si_pid && !children[i].ended) c = &children[i];
    if (c) kill(-info.si_pid, SIGKILL);
    struct rusage usage;
    int status;
    if (wait4(info.si_pid, &status, 0, &usage) != info.si_pid) continue;
    if (!c) {
      keep_inner(info.si_pid, &usage);
      continue;
    }
    int64_t now = now_us();
    c->ended = 1;
    c->status = status;
    c->usage = usage;
    c->wall_us = (uint64_t)(now - c->began_us);
    c->drain_until_ms = now / 1000 + DRAIN_MS;
    c->kill_at_ms = 0;
    await_inner(c, now / 1000);
  }
}

/** Moves up to one read of a child's output to the outbox. */
static void take_output(struct child *c, int stream) {
  if (!make_room(&outbox, READ_BYTES + 64)) return;
  size_t start = begin_frame(&outbox, S_OUTPUT);
  put_u32(&outbox, c->id);
  put_u8(&outbox, (unsigned)stream + 1);
  ssize_t got = read(c->fds[stream], outbox.at + outbox.used, READ_BYTES);
  if (got <= 0) {
    outbox.used = start;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(c->fds[stream]);
    c->fds[stream] = -1;
    return;
  }
  uint64_t allowed = c->limit - c->got[stream];
  size_t kept = (uint64_t)got > allowed ? (size_t)allowed : (size_t)got;
  c->got[stream] += kept;
  if (kept < (size_t)got && !c->truncated) {
    c->truncated = 1;
    kill_group(c);
  }
  if (!kept) {
    outbox.used = start;
    return;
  }
  outbox.used += kept;
  end_frame(&outbox, start);
  if (c->ended) c->drain_until_ms = now_ms() + DRAIN_MS;
}

static void report_ended(void) {
  for (size_t i = 0; i < child_count;) {
    struct child *c = &children[i];
    if (c->ended && now_ms() >= c->drain_until_ms)
      for (int k = 0; k < 2; k++)
        if (c->fds[k] >= 0) {
          close(c->fds[k]);
          c->fds[k] = -1;
        }
    if (!c->ended || c->fds[0] >= 0 || c->fds[1] >= 0 || now_ms() < c->inner_until_ms) {
      i++;
      continue;
    }
    uint64_t user = micros(c->usage.ru_utime), system = micros(c->usage.ru_stime);
    uint64_t peak = (uint64_t)c->usage.ru_maxrss;
    if (c->inner_reaped) {
      user += micros(c->inner_usage.ru_utime);
      system += micros(c->inner_usage.ru_stime);
      if ((uint64_t)c->inner_usage.ru_maxrss > peak) peak = (uint64_t)c->inner_usage.ru_maxrss;
    }
    size_t start = begin_frame(&outbox, S_EXITED);
    put_u32(&outbox, c->id);
    put_status(&outbox, c->status);
    put_u64(&outbox, user);
    put_u64(&outbox, system);
    put_u64(&outbox, peak * 1024);
    put_u64(&outbox, c->wall_us);
    put_u8(&outbox, (c->truncated ? 1U : 0U) | (c->timed_out ? 2U : 0U));
    end_frame(&outbox, start);
    *c = children[--child_count];
  }
}

/** Obeys the complete requests in the inbox; 0 when there is one that cannot be. */
static int obey(struct inbox *inbox, const sigset_t *mask) {
  for (;;) {
    size_t have = inbox->held.used - inbox->at;
    if (have < HEADER_BYTES) break;
    struct fields header = {inbox->held.at + inbox->at, HEADER_BYTES, 0};
    size_t length = take_number(&header, 4);
    unsigned type = (unsigned)take_number(&header, 1);
    if (length > MAX_SPAWN_FRAME) return 0;
    if (have < HEADER_BYTES + length) break;
    struct fields f = {inbox->held.at + inbox->at + HEADER_BYTES, length, 0};
    inbox->at += HEADER_BYTES + length;
    if (type == S_SPAWN) {
      spawn_child(&f, mask);
    } else if (type == S_KILL) {
      uint32_t id = (uint32_t)take_number(&f, 4);
      for (size_t i = 0; i < child_count; i++)
        if (children[i].id == id) kill_group(&children[i]);
    } else {
      return 0;
    }
  }
  if (inbox->at) {
    inbox->held.used -= inbox->at;
    memmove(inbox->held.at, inbox->held.at + inbox->at, inbox->held.used);
    inbox->at = 0;
  }
  return 1;
}

static int flush_outbox(void) {
  while (outbox_at < outbox.used) {
    ssize_t sent = write(STDOUT_FILENO, outbox.at + outbox_at, outbox.used - outbox_at);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) return 0;
    outbox_at += (size_t)sent;
  }
  if (outbox_at == outbox.used) {
    outbox.used = outbox_at = 0;
  } else if (outbox_at >= OUTBOX_BYTES / 2) {
    outbox.used -= outbox_at;
    memmove(outbox.at, outbox.at + outbox_at, outbox.used);
    outbox_at = 0;
  }
  return !outbox.bad;
}

static int next_deadline_ms(void) {
  int64_t first = INT64_MAX;
  for (size_t i = 0; i < child_count; i++) {
    const struct child *c = &children[i];
    int open = c->fds[0] >= 0 || c->fds[1] >= 0;
    if (c->ended && open && c->drain_until_ms < first) first = c->drain_until_ms;
    if (c->ended && !open && c->inner_until_ms < first) first = c->inner_until_ms;
    if (c->kill_at_ms && c->kill_at_ms < first) first = c->kill_at_ms;
  }
  if (first == INT64_MAX) return -1;
  int64_t left = first - now_ms();
  return left < 0 ? 0 : left > 60000 ? 60000 : (int)left + 1;
}

static void kill_overdue(void) {
  int64_t now = now_ms();
  for (size_t i = 0; i < child_count; i++) {
    struct child *c = &children[i];
    if (!c->kill_at_ms || now < c->kill_at_ms) continue;
    c->kill_at_ms = 0;
    c->timed_out = 1;
    kill_group(c);
  }
}

static int spawner(void) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGPIPE);
  sigprocmask(SIG_SETMASK, &blocked, NULL);
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  close_from(3);
  null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  int signals = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
  if (null_fd < 0 || signals < 0) return 1;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1024 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);

  size_t start = begin_frame(&outbox, S_HELLO);
  put_u32(&outbox, SPAWNER_PROTOCOL);
  put_text(&outbox, ICETS_VERSION);
  end_frame(&outbox, start);

  struct inbox inbox = {.fd = STDIN_FILENO};
  struct pollfd *polled = NULL;
  size_t polled_room = 0;
  for (;;) {
    report_ended();
    if (!flush_outbox()) break;
    if (polled_room < 3 + 2 * child_room) {
      polled_room = 3 + 2 * child_room;
      struct pollfd *grown = realloc(polled, polled_room * sizeof *polled);
      if (!grown) break;
      polled = grown;
    }
    int roomy = outbox.used - outbox_at < OUTBOX_BYTES;
    polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = STDOUT_FILENO, .events = outbox.used > outbox_at ? POLLOUT : 0};
    polled[2] = (struct pollfd){.fd = signals, .events = POLLIN};
    size_t count = 3;
    for (size_t i = 0; i < child_count; i++) {
      // The time for draining runs only while we read.
      if (!roomy && children[i].ended) children[i].drain_until_ms = now_ms() + DRAIN_MS;
      for (int k = 0; k < 2; k++)
        polled[count++] = (struct pollfd){.fd = roomy ? children[i].fds[k] : -1, .events = POLLIN};
    }
    size_t known = child_count;
    int ready = poll(polled, count, next_deadline_ms());
    if (ready < 0 && errno != EINTR) break;
    if (ready < 0) continue;
    if (polled[1].revents & (POLLERR | POLLNVAL)) break;
    for (size_t i = 0; i < known; i++)
      for (int k = 0; k < 2; k++)
        if (polled[3 + 2 * i + (size_t)k].revents && children[i].fds[k] >= 0 &&
            outbox.used - outbox_at < OUTBOX_BYTES)
          take_output(&children[i], k);
    kill_overdue();
    if (polled[2].revents) {
      struct signalfd_siginfo info[8];
      while (read(signals, info, sizeof info) > 0) {
      }
      reap_children();
    }
    if (polled[0].revents) {
      if (!make_room(&inbox.held, READ_BYTES)) break;
      ssize_t got = read(STDIN_FILENO, inbox.held.at + inbox.held.used, inbox.held.room - inbox.held.used);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) break;
      if (got > 0) inbox.held.used += (size_t)got;
      if (!obey(&inbox, &none)) break;
    }
  }
  kill_everything();
  return 0;
}

// ---------------------------------------------------------------------------------------------------------- the start

/** Fills in what to run; ends with a clear line when there is no such thing. */
static void resolve(struct command *c, int masqueraded) {
  const char *guard = getenv("ICETS_GUARD");
  if (guard && !*guard) guard = NULL;
  int depth = 0;
  for (const char *at = guard; at && *at; at++) depth += *at == '/';
  if (depth > MAX_REENTRY) {
    say("icets: ", c->argv[0], " keeps starting itself through icets", (char *)NULL);
    _exit(127);
  }
  const char *word = c->argv[0];
  struct stat status;
  if (!masqueraded && strchr(word, '/')) {
    if (stat(word, &status) != 0) {
      say("icets: no such compiler: ", word, (char *)NULL);
      _exit(127);
    }
    if (!is_ourselves(word, &status)) {
      c->program = word;
      return;
    }
    masqueraded = 1;
  }
  const char *name = last_part(word);
  char *found = find_on_path(name, guard);
  if (!found && guard) found = find_on_path(name, NULL);
  if (!found) {
    say("icets: no such compiler: ", name, (char *)NULL);
    _exit(127);
  }
  c->program = found;
  // Under our own link's name a compiler would look for its parts beside the link.
  if (masqueraded) c->argv[0] = found;
}

static int launcher(int argc, char **argv) {
  if (argc < 1) return 127;
  if (argc > 1 && strcmp(argv[1], "--spawner") == 0) return spawner();
  debugging = is_set("ICETS_DEBUG");
  const char *name = last_part(argv[0]);
  char **words = argv + 1;
  if (argc > 2 && strcmp(argv[1], "--as") == 0) {
    name = last_part(argv[2]);
    words = argv + 3;
  }
  int masqueraded = strcmp(name, "icets") != 0 && strncmp(name, "launcher", 8) != 0;
  if (stat("/proc/self/exe", &self) != 0) memset(&self, 0, sizeof self);
  if (masqueraded) {
    size_t count = 0;
    while (words[count]) count++;
    char **renamed = malloc((count + 3) * sizeof *renamed);
    if (!renamed) return 126;
    renamed++;
    renamed[0] = (char *)name;
    memcpy(renamed + 1, words, (count + 1) * sizeof *words);
    words = renamed;
  } else {
    for (; words[0] && words[1]; words++) {
      if (strcmp(words[0], "--no-cache") == 0) setenv("ICETS_NO_CACHE", "1", 1);
      else if (!is_our_name(words[0])) break;
    }
    if (!words[0] || is_own_command(words[0])) run_own_command(words);
  }
  struct command command = {.argv = words};
  resolve(&command, masqueraded);
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0) run_directly(&command, "a standard descriptor is closed");
  if (is_set("ICETS_DISABLE")) run_directly(&command, "ICETS_DISABLE is set");
  if (is_set("ICETS_GUARD")) run_directly(&command, "a launcher is above us already");
  ask_agent(&command);
}

#ifdef ICETS_FREESTANDING
#include "freestanding.c"
#endif

#ifndef ICETS_NO_MAIN
int main(int argc, char **argv) { return launcher(argc, argv); }
#endif
