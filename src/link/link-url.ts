// The address of a scheduler's Link: `icets://host[:port]`, IPv6 hosts in brackets.

import { err, ok, type Result } from '../base/result.ts';

export const defaultLinkPort = 8765;

export interface LinkAddress {
  /** host name or address, IPv6 without brackets */
  readonly host: string;
  readonly port: number;
}

/** Reads `icets://host`, `icets://host:port` and `icets://[::1]:port`; the error is a sentence for people. */
export function parseLinkUrl(url: string): Result<LinkAddress, string> {
  const match = /^icets:\/\/(?:\[([0-9A-Fa-f:.%\w]+)\]|([^[\]:/?#@\s]+))(?::([0-9]{1,5}))?\/?$/.exec(url);
  if (match === null) return err(`not a scheduler address: ${JSON.stringify(url)}; expected icets://host[:port]`);
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined ? defaultLinkPort : Number(match[3]);
  if (port < 1 || port > 65535) return err(`not a port: ${port} in ${url}`);
  return ok({ host, port });
}

export function formatLinkUrl(address: LinkAddress): string {
  return `icets://${bracketed(address.host)}:${address.port}`;
}

/** The host as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
