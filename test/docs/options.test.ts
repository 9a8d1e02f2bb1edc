/** The README's table of node options is the schema's. */
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { NODE_FLAGS } from '../../src/cli/node-options.js';

it('the README lists the options of a node as they are', () => {
  const section = /^## Options of a node\n(.*?)^## /ms.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `--'));
  const expected = NODE_FLAGS.map(({ name, metavar, default: byDefault, description, isList }) => {
    const value = metavar === null ? '' : ` ${metavar.replaceAll('|', '\\|')}`;
    const standard = byDefault === null ? '' : `\`${byDefault}\``;
    return `| \`--${name}${value}\` | ${standard} | ${description}${isList ? '; repeatable' : ''} |`;
  });
  expect(rows).toEqual(expected);
});
