// Whether a machine is idle enough for an audit to begin. Pure.

export interface Surroundings {
  readonly cores: number;
  /** cores that had nothing to do lately; undefined when that is not known */
  readonly idleCores: number | undefined;
  /** 0 to 1 */
  readonly freeMemoryShare: number;
  /** steps that the agent serves */
  readonly running: number;
  readonly freeLocalSlots: number;
  /** steps that wait for a local slot */
  readonly waitingForSlots: number;
  /** whether the CPU of this machine is counted out to us; asked last */
  readonly hasQuota: () => boolean;
}

/** a compiler may take a gigabyte */
const leastFreeMemory = 0.25;
/** of a core: what runs beside everything else on a machine that does nothing */
const nearlyIdle = 0.8;

export function mayAudit(around: Surroundings): boolean {
  const { cores, idleCores, running } = around;
  if (idleCores === undefined || around.waitingForSlots > 0 || around.freeMemoryShare < leastFreeMemory) return false;
  if (running === 0) return idleCores >= nearlyIdle;
  // A build is under way: only where it leaves cores alone, and not where what one program takes the others lack.
  return idleCores >= Math.max(1, cores / 2) && around.freeLocalSlots > 0 && !around.hasQuota();
}
