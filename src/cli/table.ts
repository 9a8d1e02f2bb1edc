/** Tables: framed for people, tab-separated for programs. */
import Table from 'cli-table3';
import { createColors } from 'picocolors';
import { hasColours, isForPeople, type Outside } from './outside.js';

export type Row = readonly string[];

/** Lines that end with a line feed. Pipes get no frame, no colour and no heading to skip. */
export function formatTable(head: Row, rows: readonly Row[], outside: Pick<Outside, 'stdout' | 'env'>): string {
  if (!isForPeople(outside.stdout)) return rows.map((row) => `${row.join('\t')}\n`).join('');
  const { bold } = createColors(hasColours(outside.stdout, outside.env));
  const table = new Table({ head: head.map((cell) => bold(cell)), style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push([...row]);
  return `${table.toString()}\n`;
}
