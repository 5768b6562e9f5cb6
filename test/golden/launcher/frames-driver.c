// Lets a test speak with launcher.c's own codec: writes the launcher's sample frames, reads an agent's frame.
// Compiled with -DICETS_NO_MAIN; the samples are those of manifest.json.

#include "../../../src/launcher/launcher.c"

static void show(const struct bytes *b) {
  if (b->bad) exit(3);
  for (size_t i = 0; i < b->used; i++) printf("%02x", b->at[i]);
  printf("\n");
}

static void encode(const char *name) {
  struct bytes out = {0};
  if (!strcmp(name, "launcher-hello")) {
    put_hello(&out, "0123456789ab", 1700000000123, 0);
  } else if (!strcmp(name, "launcher-request") || !strcmp(name, "launcher-request-odd")) {
    char *argv[] = {"g++", "-c", "sub dir/a.cc", "-o", "a.o", NULL};
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "SECRET=no", "PATHOLOGY=no", "GCC_COLORS=", NULL};
    char *odd[] = {"/opt/cc", "", "gr\xc3\xbc\xc3\x9f" "e.c", NULL};
    char *none[] = {NULL};
    int is_odd = !strcmp(name, "launcher-request-odd");
    struct request request = {
        .pid = is_odd ? 4294967295U : 4321,
        .umask = is_odd ? 0777 : 022,
        .mount_namespace = is_odd ? 0 : 4026531841,
        .root_device = is_odd ? UINT64_MAX : 65025,
        .root_inode = is_odd ? UINT64_MAX : 2,
        .terminals = is_odd ? 0 : 3,
        .columns = is_odd ? 0 : 120,
        .rows = is_odd ? 0 : 40,
        .cwd = is_odd ? "/" : "/home/user/build",
        .program = is_odd ? "/opt/cc" : "/usr/bin/g++",
        .argv = is_odd ? odd : argv,
        .environment = is_odd ? none : environment,
    };
    put_request(&out, &request);
  } else if (!strcmp(name, "launcher-ended-exited")) {
    struct ended ended = {.status = 3 << 8, .user_us = 1500, .system_us = 250, .max_rss_bytes = 104857600, .wall_us = 2000};
    put_ended(&out, &ended);
  } else if (!strcmp(name, "launcher-ended-signalled")) {
    struct ended ended = {.status = 11, .user_us = 0, .system_us = 0, .max_rss_bytes = 0, .wall_us = 86400000000};
    put_ended(&out, &ended);
  } else if (!strcmp(name, "launcher-committed")) {
    put_committed(&out, 1, 2, 0);
  } else if (!strcmp(name, "launcher-committed-not")) {
    put_committed(&out, 0, 1, ENOSPC);
  } else {
    exit(2);
  }
  show(&out);
}

/** One frame from standard input, as JSON; `null` when launcher.c does not understand it. */
static void decode(void) {
  static unsigned char data[1 << 20];
  size_t length = 0;
  ssize_t got;
  while ((got = read(0, data + length, sizeof data - length)) > 0) length += (size_t)got;
  struct fields f = {data, length, 0};
  size_t payload = take_number(&f, 4);
  unsigned type = (unsigned)take_number(&f, 1);
  if (f.bad || payload != f.left) {
    printf("null\n");
    return;
  }
  struct result r;
  switch (type) {
    case F_HELLO:
      printf(read_hello(&f) ? "{\"kind\":\"hello\"}\n" : "null\n");
      return;
    case F_HEARTBEAT:
      printf("{\"kind\":\"heartbeat\"}\n");
      return;
    case F_EXEC:
      printf("{\"kind\":\"exec\"}\n");
      return;
    case F_RUN_LOCALLY: {
      const char *step = take_string(&f);
      if (f.bad) break;
      printf("{\"kind\":\"run-locally\",\"step\":\"%s\"}\n", step);
      return;
    }
    case F_OUTPUT: {
      unsigned stream = (unsigned)take_number(&f, 1);
      if (f.bad || (stream != 1 && stream != 2)) break;
      printf("{\"kind\":\"output\",\"stream\":%u,\"bytes\":\"%.*s\"}\n", stream, (int)f.left, (char *)f.at);
      return;
    }
    case F_RESULT:
      if (!read_result(&f, &r)) break;
      printf("{\"kind\":\"result\",\"exitCode\":%u,\"stdout\":\"%.*s\",\"stderr\":\"%.*s\",\"renames\":[", r.exit_code,
             (int)r.out_length, (char *)r.out, (int)r.err_length, (char *)r.err);
      for (size_t i = 0; i < r.rename_count; i++)
        printf("%s{\"from\":\"%s\",\"to\":\"%s\"}", i ? "," : "", r.renames[i].from, r.renames[i].to);
      printf("],\"unlinks\":[");
      for (size_t i = 0; r.unlinks[i]; i++) printf("%s\"%s\"", i ? "," : "", r.unlinks[i]);
      printf("]}\n");
      return;
    case F_REFUSED:
      printf("{\"kind\":\"refused\"}\n");
      return;
    default:
      break;
  }
  printf("null\n");
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "encode")) encode(argv[2]);
  else if (argc == 2 && !strcmp(argv[1], "decode")) decode();
  else return launcher(argc, argv);
  return 0;
}
