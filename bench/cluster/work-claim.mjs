// One campaign at a time in a work folder: two would remove each other's trees and share the machine.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Claims the folder until this process ends.
 * @param {string} work
 * @throws when another campaign that is alive has it
 */
export function claimWork(work) {
  const file = join(work, 'campaign.pid');
  for (let attempt = 1; ; attempt += 1) {
    try {
      writeFileSync(file, `${process.pid}`, { flag: 'wx' });
      process.on('exit', () => rmSync(file, { force: true }));
      return;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST' || attempt > 2) throw error;
      const pid = readFileSync(file, 'utf8');
      if (isCampaign(pid))
        throw new Error(`process ${pid} runs a campaign in ${work}; wait for it, or give another --work`);
      rmSync(file, { force: true });
    }
  }
}

/** @param {string} pid */
function isCampaign(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('cluster/main.mjs');
  } catch {
    return false;
  }
}
