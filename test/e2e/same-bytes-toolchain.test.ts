// The compiler itself changes between two compiles, under the path by which it is called.

import { test } from '@jest/globals';
import { withCluster } from '../support/icets-cluster.ts';
import { expectSameBytes, type SameBytesCase } from '../support/same-bytes.ts';

const cases: SameBytesCase[] = [
  {
    title: 'the compiler changes under the same path: its front end, a spec file, an assembler before its own',
    lines: [
      String.raw`L=t/lib/gcc/x86_64-linux-gnu/12; S=$(dirname $(gcc -print-prog-name=cc1)); mkdir -p t/bin $L; cp $(realpath $(command -v gcc)) t/bin/gcc; for f in cc1 include collect2 lto-wrapper liblto_plugin.so; do cp -rL $S/$f $L/; done; printf '#ifdef SPECIAL\nint sp;\n#endif\nint x;\n' > a.c; $X t/bin/gcc -g -c a.c`,
      String.raw`cd t/lib/gcc/*/12; V=$(gcc -dumpfullversion); sed "s/$V/$(echo $V | tr 0-9 9)/g" cc1 > new; chmod +x new; mv cc1 old; mv new cc1; cd $W; $X t/bin/gcc -g -c a.c`,
      `cd t/lib/gcc/*/12; cat old > cc1; cd $W; $X t/bin/gcc -g -c a.c`,
      String.raw`printf '*cc1:\n+ -DSPECIAL=1\n' > $(echo t/lib/gcc/*/12)/specs; $X t/bin/gcc -g -c a.c`,
      `rm t/lib/gcc/*/12/specs; $X t/bin/gcc -g -c a.c`,
      `mkdir p; PATH=$W/p:$PATH $X t/bin/gcc -g -c a.c; mkdir s; cd s; $X ../t/bin/gcc -g -c ../a.c`,
      String.raw`printf '#!/bin/sh\nexec /usr/bin/as --defsym hello=1 "$@"\n' > p/as; chmod +x p/as; PATH=$W/p:$PATH $X t/bin/gcc -g -c a.c`,
    ],
    places: ['remote', 'remote', 'cache', 'remote', 'cache', undefined, undefined],
  },
];

test('a compile follows every change of its compiler', async () => {
  await withCluster({ workers: 1, slots: 2 }, async (cluster) => {
    for (const one of cases) await expectSameBytes(cluster, one);
  });
}, 180_000);
