import { describe, expect, it } from '@jest/globals';
import type { RefusedConnection } from '../../src/transport/link.js';
import {
  createAdmission,
  isLoopback,
  type AdmissionOptions,
  type UpgradeRequest,
} from '../../src/transport/admission.js';

const OPTIONS: AdmissionOptions = {
  host: '127.0.0.1',
  hosts: [],
  origins: [],
  linkSecret: null,
  connectionsMax: 10,
  onRefused: () => {},
};

/** The kind, or the status of the refusal. */
function judge(options: Partial<AdmissionOptions>, request: Partial<UpgradeRequest>, openCount = 0): string | number {
  const heard: string[] = [];
  const onRefused = ({ remote, reason }: RefusedConnection): void => void heard.push(`${remote}: ${reason}`);
  const admission = createAdmission({ ...OPTIONS, onRefused, ...options });
  const whole = { path: '/', host: '127.0.0.1:7101', origin: '', authorization: '', remote: '10.9.8.7', ...request };
  const verdict = admission.admit(whole, openCount);
  // Whoever runs the node hears of what was refused, and of nothing else.
  expect(heard).toEqual(typeof verdict === 'string' ? [] : [`10.9.8.7: ${verdict.text}`]);
  if (typeof verdict === 'string') return verdict;
  expect(verdict.text).toMatch(/^[^\n]{10,200}$/);
  return verdict.status;
}

describe('admission', () => {
  it('[HS8] knows services by their path', () => {
    expect(judge({}, { path: '/' })).toBe('client');
    expect(judge({}, { path: '/link' })).toBe('link');
    for (const path of ['', '/link/', '/Link', '//', '/client', '*', '/link?']) expect(judge({}, { path })).toBe(404);
  });

  it('[HS8] asks for the secret on links only', () => {
    const options = { linkSecret: 'a b=c' };
    expect(judge(options, { path: '/link', authorization: 'Bearer a b=c' })).toBe('link');
    expect(judge(options, { path: '/link', authorization: 'bearer  a b=c' })).toBe('link');
    expect(judge(options, { path: '/' })).toBe('client');
    for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer a b=', 'Bearer a b=cc', 'a b=c', 'Basic a b=c']) {
      expect(judge(options, { path: '/link', authorization })).toBe(401);
    }
    expect(judge({ linkSecret: '' }, { path: '/link', authorization: 'Bearer x' })).toBe(401);
    expect(judge({}, { path: '/link', authorization: 'Bearer whatever' })).toBe('link');
  });

  it('[HS8] checks the Host on loopback, and elsewhere once names are listed', () => {
    const evil = { host: 'evil.example:7101' };
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', 'LOCALHOST'])
      expect(judge({ host }, evil)).toBe(403);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'bus.example']) expect(judge({ host }, evil)).toBe('client');
    const named = { host: '0.0.0.0', hosts: ['bus.example', 'Other.Example:7101'] };
    expect(judge(named, evil)).toBe(403);
    expect(judge(named, { host: 'BUS.EXAMPLE:1' })).toBe('client');
    expect(judge(named, { host: 'other.example' })).toBe('client');
    expect(judge(named, { host: '10.1.2.3:7101' })).toBe('client');
    expect(judge({ host: 'node.internal', hosts: ['bus.example'] }, { host: 'node.internal:7101' })).toBe('client');
  });

  it('takes IP addresses and localhost as Host, and nothing that looks like them', () => {
    for (const host of ['127.0.0.1', '[::1]:7101', '[::1]', '10.0.0.7:80', 'localhost', 'localhost.:7101', '::1']) {
      expect([host, judge({}, { host })]).toEqual([host, 'client']);
    }
    for (const host of [
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'evil.example#@127.0.0.1',
      '[evil]',
      '1',
      'a:b:c',
    ]) {
      expect([host, judge({}, { host })]).toEqual([host, 403]);
    }
    expect(judge({}, { host: '' })).toBe(400);
  });

  it('[HS8] takes an Origin that is the Host or listed, and requests without any', () => {
    const options = { host: '0.0.0.0', origins: ['https://app.example', 'http://dev.example:3000/'] };
    const at = (origin: string, host = 'bus.example') => judge(options, { origin, host });
    expect(at('')).toBe('client');
    expect(at('https://app.example')).toBe('client');
    expect(at('HTTP://DEV.example:3000')).toBe('client');
    expect(at('https://bus.example')).toBe('client');
    expect(at('https://bus.example', 'bus.example:443')).toBe('client');
    expect(at('http://bus.example', 'bus.example:80')).toBe('client');
    expect(at('http://bus.example:7101', 'Bus.Example:7101')).toBe('client');
    const evil = [
      'https://app.example.evil',
      'http://app.example',
      'http://dev.example',
      'null',
      'bus.example',
      'file://',
      '*',
    ];
    for (const origin of evil) expect([origin, at(origin)]).toEqual([origin, 403]);
    expect(at('http://bus.example:7101', 'bus.example:7102')).toBe(403);
    expect(at('http://x', '')).toBe(403);
    expect(judge({ origins: ['*'] }, { origin: 'null' })).toBe('client');
  });

  it('has room for connectionsMax', () => {
    expect(judge({ connectionsMax: 2 }, {}, 1)).toBe('client');
    expect(judge({ connectionsMax: 2 }, {}, 2)).toBe(503);
    expect(judge({ connectionsMax: 2, linkSecret: 's' }, { path: '/link' }, 2)).toBe(401);
  });

  it('knows which addresses are loopback', () => {
    expect(['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example', 'bus.example', ''].some(isLoopback)).toBe(false);
  });
});
