// `--name value` options of the scan benches.

/** The word after `--name`, if there is one. */
export function textOption(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? undefined : process.argv[at + 1];
  return value === undefined || value.startsWith('--') ? undefined : value;
}

export function numberOption(name: string, otherwise: number): number {
  const value = Number(textOption(name) ?? otherwise);
  return Number.isFinite(value) ? value : otherwise;
}
