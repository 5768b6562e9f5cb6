import { describe, expect, test } from '@jest/globals';
import { formatLinkUrl, parseLinkUrl } from '../../../src/link/link-url.ts';

describe('a scheduler address', () => {
  test.each([
    ['icets://host', { host: 'host', port: 8765 }],
    ['icets://host:1', { host: 'host', port: 1 }],
    ['icets://10.0.0.7:65535/', { host: '10.0.0.7', port: 65535 }],
    ['icets://[::1]', { host: '::1', port: 8765 }],
    ['icets://[fe80::1%eth0]:99', { host: 'fe80::1%eth0', port: 99 }],
  ])('%s is read', (url, address) => {
    expect(parseLinkUrl(url)).toEqual({ ok: true, value: address });
  });

  test.each([
    'host:1',
    'http://host',
    'icets://',
    'icets://host:0',
    'icets://host:65536',
    'icets://host:x',
    'icets://::1',
    'icets://user@host',
    'icets://host/path',
    'icets://host?x',
    'icets://ho st',
    'icets://[]',
  ])('%s is refused', (url) => {
    expect(parseLinkUrl(url).ok).toBe(false);
  });

  test('is written as it is read', () => {
    for (const url of ['icets://host:8765', 'icets://[::1]:9']) {
      const address = parseLinkUrl(url);
      expect(address.ok && formatLinkUrl(address.value)).toBe(url);
    }
  });
});
