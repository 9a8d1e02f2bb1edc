import { expect, it } from '@jest/globals';
import { hintFor } from '../../src/client/hint.js';

it.each<[string, string, string]>([
  ['ws://node.example', 'https://page.example', 'mixed content'],
  ['ws://10.1.2.3:7101', 'https://page.example', 'mixed content'],
  ['ws://localhost:7101', 'https://page.example', 'Local Network Access'],
  ['ws://192.168.1.2', 'http://page.example', 'Local Network Access'],
  ['wss://172.20.0.1', 'https://page.example', 'Local Network Access'],
  ['ws://[fd00::1]:7101', 'http://page.example', 'Local Network Access'],
  ['ws://intranet-name:7101', 'http://page.example', 'Local Network Access'],
  ['ws://printer.local', 'http://page.example', 'Local Network Access'],
  ['ws://172.32.0.1', 'http://page.example', ''],
  ['wss://node.example', 'https://page.example', ''],
  ['ws://10.1.2.3', 'http://10.9.9.9', ''],
  ['ws://127.0.0.1:7101', 'http://localhost:7101', ''],
])('%s from a page at %s: %p', (url, pageUrl, expected) => {
  const hint = hintFor(url, new URL(pageUrl));
  if (expected === '') expect(hint).toBe('');
  else expect(hint).toContain(expected);
});

it('says nothing outside of browsers', () => {
  expect(hintFor('ws://127.0.0.1', undefined)).toBe('');
});
