// What of a build waits for a file: the longest chain of steps from it to an end of the build. Pure.

import type { NinjaEdge } from './ninja-manifest.ts';

/** A step that was never seen: about an archive on a slow board. */
const unknownMs = 300;
/** A compile of something that is generated during the build; in the log stands how long it waited as well. */
const compileMs = 3000;

/**
 * Milliseconds of the longest chain of steps that can only begin when a file is there, by file; those of objects only, and only
 * where something waits for them.
 * @param durations milliseconds that steps took, by their first output
 */
export function downstreamOf(
  edges: readonly NinjaEdge[],
  durations: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const consumers = new Map<string, number[]>();
  edges.forEach(({ inputs }, index) => {
    for (const input of inputs) {
      const known = consumers.get(input);
      if (known === undefined) consumers.set(input, [index]);
      else known.push(index);
    }
  });
  const lengths = new Float64Array(edges.length).fill(-1);
  const after = (path: string) =>
    (consumers.get(path) ?? []).reduce((most, index) => Math.max(most, lengths[index] ?? 0), 0);
  for (let start = 0; start < edges.length; start += 1) measure(start);
  const found = new Map<string, number>();
  for (const { outputs } of edges) {
    for (const output of outputs) {
      if (!isObject(output)) continue;
      const ms = after(output);
      if (ms > 0) found.set(output, ms);
    }
  }
  return found;

  /** Depth first without recursion, since a chain may be as long as the build. A circle counts as its end. */
  function measure(start: number): void {
    const stack = [start];
    while (stack.length > 0) {
      const index = stack[stack.length - 1] ?? 0;
      const edge = edges[index];
      if (edge === undefined || (lengths[index] ?? 0) >= 0) {
        stack.pop();
        continue;
      }
      const waiting = edge.outputs.flatMap((output) => consumers.get(output) ?? []);
      if (lengths[index] === -1) {
        lengths[index] = -2;
        stack.push(...waiting.filter((each) => lengths[each] === -1));
        continue;
      }
      stack.pop();
      lengths[index] = ownMs(edge) + Math.max(0, ...edge.outputs.map(after));
    }
  }

  function ownMs({ rule, outputs }: NinjaEdge): number {
    if (rule === 'phony') return 0;
    const first = outputs[0] ?? '';
    const known = durations.get(first) ?? unknownMs;
    return isObject(first) ? Math.min(known, compileMs) : known;
  }
}

function isObject(path: string): boolean {
  return path.endsWith('.o') || path.endsWith('.obj');
}
