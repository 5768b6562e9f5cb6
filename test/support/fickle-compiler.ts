// A gcc of the test's own whose cc1 is the real one, except that with one option it makes something else on every run.

import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The real program lies behind this one in its own file, so that it goes wherever this one is sent.
 * Its assembly gets a line with the time when the option is there.
 */
const stub = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  off_t end = lseek(self, 0, SEEK_END) - 8;
  uint64_t start;
  if (pread(self, &start, 8, end) != 8) return 90;
  int real = memfd_create("cc1", MFD_CLOEXEC);
  off_t at = (off_t)start;
  while (at < end)
    if (sendfile(real, self, &at, (size_t)(end - at)) <= 0) return 91;
  pid_t child = fork();
  if (child == 0) {
    fexecve(real, argv, environ);
    _exit(92);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 93;
  const char *output = NULL;
  int fickle = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], OPTION)) fickle = 1;
    if (!strcmp(argv[i], "-o") && i + 1 < argc) output = argv[i + 1];
  }
  if (fickle && output && WEXITSTATUS(status) == 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    FILE *file = fopen(output, "a");
    if (!file) return 94;
    fprintf(file, "\\t.ident\\t\\"%ld\\"\\n", now.tv_nsec);
    fclose(file);
  }
  return WEXITSTATUS(status);
}
`;

const host = 'gcc';

/** Makes it below the folder; answers the absolute path of its gcc. */
export function makeFickleGcc(folder: string, option: string): string {
  const ask = (...argv: string[]) => execFileSync(host, argv, { encoding: 'utf8' }).trim();
  const cc1 = ask('-print-prog-name=cc1');
  const parts = join(folder, dirname(cc1).slice('/usr/'.length));
  mkdirSync(join(folder, 'bin'), { recursive: true });
  mkdirSync(parts, { recursive: true });
  cpSync('/usr/bin/gcc', join(folder, 'bin/gcc'), { dereference: true });
  cpSync(join(dirname(cc1), 'include'), join(parts, 'include'), { recursive: true, dereference: true });
  const source = join(folder, 'stub.c');
  writeFileSync(source, stub);
  // Linked with what the real program needs, so that its libraries are sent along.
  const needed = execFileSync('ldd', [cc1], { encoding: 'utf8' }).matchAll(/=> (\/\S+)/g);
  const libraries = [...needed].map(([, path]) => path!);
  const own = join(parts, 'cc1');
  execFileSync(host, ['-O1', `-DOPTION="${option}"`, source, '-o', own, '-Wl,--no-as-needed', ...libraries]);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(statSync(own).size));
  appendFileSync(own, Buffer.concat([readFileSync(cc1), start]));
  return join(folder, 'bin/gcc');
}
