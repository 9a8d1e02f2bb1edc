/** The types of replicated objects, by name. */
import { counter } from './counter.js';
import { lww } from './lww.js';
import type { AnyType } from './replicated-type.js';
import { set } from './set.js';
import { text } from './text.js';

const TYPES: ReadonlyMap<string, AnyType> = new Map<string, AnyType>([
  [lww.name, lww],
  [counter.name, counter],
  [set.name, set],
  [text.name, text],
]);

/** Null for a name that is no type's. */
export function typeNamed(name: string): AnyType | null {
  return TYPES.get(name) ?? null;
}

export function typeNames(): string[] {
  return [...TYPES.keys()];
}
