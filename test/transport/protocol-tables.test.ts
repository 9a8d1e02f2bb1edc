import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { protocolTables } from './protocol-tables.js';

it('docs/PROTOCOL.md has the message table as it is', () => {
  const document = readFileSync('docs/PROTOCOL.md', 'utf8');
  const section = /<!-- messages -->\n(.*?)\n<!-- \/messages -->/s.exec(document)?.[1];
  expect(section?.trim()).toBe(protocolTables());
});
