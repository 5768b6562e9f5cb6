// The peers' rows.

/** @type {Readonly<Record<string, (plan: any) => Promise<import('./icets-rows.mjs').RowFigures>>>} */
export const peers = {};
