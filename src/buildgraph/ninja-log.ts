// How long the steps of earlier builds took, from Ninja's own log (`.ninja_log`). Pure.

/** what a step may count at most: in the log stands the time in which it waited for its turn, too */
const limitMs = 60_000;

/**
 * Milliseconds by output; the last entry of an output counts. Empty for a log of another version than 5 to 7, whose lines
 * begin with the start and the end in milliseconds and have the output in the fourth column.
 */
export function stepDurations(text: string): ReadonlyMap<string, number> {
  const durations = new Map<string, number>();
  if (!/^# ninja log v[567]\n/.test(text)) return durations;
  for (const line of text.split('\n')) {
    const [start, end, , output] = line.split('\t', 4);
    const ms = Number(end) - Number(start);
    if (output !== undefined && ms >= 0) durations.set(output, Math.min(ms, limitMs));
  }
  return durations;
}
