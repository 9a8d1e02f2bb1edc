/** The types of objects as the command line writes and shows them: all values are JSON. */
import { counter, lww, set } from '../../client/index.js';
import type { Database } from '../../client/index.js';
import { text } from '../../client/database/kinds/text.js';
import { EXIT, failure } from '../exit.js';

export const KIND_NAMES = ['lww', 'counter', 'set', 'text'] as const;
export type KindName = (typeof KIND_NAMES)[number];

/** Each part of a text with its formatting, as Yjs has it. */
export type Delta = readonly { readonly insert?: unknown; readonly attributes?: Readonly<Record<string, unknown>> }[];

/** How a value changes an object of that type. */
export const VALUE_FORMS: Readonly<Record<KindName, string>> = {
  lww: 'an object of fields, null for those to be removed',
  counter: 'a number to be added',
  set: 'an array of members to be added',
  text: 'the text that it is to be',
};

export function isKindName(name: unknown): name is KindName {
  return KIND_NAMES.includes(name as KindName);
}

export interface Shown {
  readonly exists: boolean;
  readonly state: unknown;
}

/** Follows an object of that type. */
export function follow(database: Database, type: KindName, id: string): Promise<Shown> {
  switch (type) {
    case 'lww':
      return database.object(id, lww);
    case 'counter':
      return database.object(id, counter);
    case 'set':
      return database.object(id, set);
    case 'text':
      return database.object(id, text);
  }
}

/**
 * Writes to an object whose state need not be known; for a text it has to be, and is waited for. Throws where the value is
 * of no such form.
 */
export function write(database: Database, type: KindName, id: string, value: unknown): void | Promise<void> {
  switch (type) {
    case 'lww':
      return database.writer(id, lww).set(asFields(value));
    case 'counter':
      return database.writer(id, counter).add(asNumber(value));
    case 'set':
      return database.writer(id, set).add(...asMembers(value));
    case 'text':
      return rewrite(database, id, value);
  }
}

/** Removes what is there of these members. */
export async function removeMembers(database: Database, id: string, value: unknown): Promise<void> {
  (await database.object(id, set)).remove(...asMembers(value));
}

/** A text, or parts with formatting, in place of what is there. */
async function rewrite(database: Database, id: string, value: unknown): Promise<void> {
  if (typeof value !== 'string') throw wrongForm('text');
  const note = await database.object(id, text);
  if (note.state === value) return;
  if (note.state.length > 0) note.remove(0, note.state.length);
  if (value.length > 0) note.insert(0, value);
}

/** Writes a text that is empty so far. */
export async function writeDelta(database: Database, id: string, delta: Delta): Promise<void> {
  const note = await database.object(id, text);
  let at = note.state.length;
  for (const { insert, attributes = {} } of delta) {
    if (typeof insert !== 'string') throw failure(EXIT.usage, 'delta: parts with a text to insert are expected');
    note.insert(at, insert, attributes);
    at += insert.length;
  }
}

function asFields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw wrongForm('lww');
  return value as Readonly<Record<string, unknown>>;
}

function asNumber(value: unknown): number {
  if (typeof value !== 'number') throw wrongForm('counter');
  return value;
}

function asMembers(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongForm('set');
  return value;
}

function wrongForm(type: KindName): Error {
  return failure(EXIT.usage, `for the type ${type} the value is ${VALUE_FORMS[type]}`);
}
