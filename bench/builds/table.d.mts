// What table.mjs offers, for the benches that are written in TypeScript.

export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string;
