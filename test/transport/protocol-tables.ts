// The message table as the tables of docs/PROTOCOL.md.

import { MESSAGES } from '../../src/transport/message.js';
import type { AnyField, FieldKind, Form, MessageName, Row } from '../../src/transport/message.js';

const SECTIONS: readonly (readonly [form: Form, title: string, head: string])[] = [
  ['request', 'request of a client', '`id`'],
  ['reply', 'reply or notice to a client', '`id`'],
  ['notice', 'notice between neighbours', ''],
  ['routed', 'message between any two nodes', '`to`: node, `from`: node, `hops`: uint8'],
];

/** How a field's kind is written in the document. */
const KIND_TEXT: Readonly<Record<FieldKind, string>> = {
  key: 'key',
  text: 'text',
  integer: 'integer',
  signed: 'integer of either sign',
  boolean: 'boolean',
  info: 'map',
  node: 'node',
  nodes: 'array of [node, integer]',
  keys: 'array of keys',
  bytes: 'bin',
  value: 'value',
  message: 'message in a bin',
};

/** Four tables, in the order of their tags, without a line break at the end. */
export function protocolTables(): string {
  return SECTIONS.map(([form, title, head]) => {
    const rows = Object.entries(MESSAGES)
      .map(([name, row]) => [name as MessageName, row as Row] as const)
      .filter(([, row]) => row.form === form)
      .toSorted(([, a], [, b]) => a.tag - b.tag);
    const lines = rows.map(([name, row]) => {
      const idless = row.idless ? ['`id`: may be nil'] : [];
      return `| ${row.tag} | \`${name}\` | ${[...idless, ...row.fields.map(fieldText)].join(', ')} |`;
    });
    const fields = head === '' ? 'fields' : `fields after ${head}`;
    return [`| tag | ${title} | ${fields} |`, '|---|---|---|', ...lines].join('\n');
  }).join('\n\n');
}

function fieldText(field: AnyField): string {
  const name = `\`${field.name}${field.optional ? '?' : ''}\``;
  if (field.kind !== 'options') return `${name}: ${KIND_TEXT[field.kind]}`;
  const options = Object.entries(field.kinds).map(([option, kind]) => `\`${option}\`: ${kind}`);
  return options.length === 0 ? `${name}: {}` : `${name}: {${options.join(', ')}}`;
}
