/** Sums to which anybody adds. */
import { counter as type } from '../../../store/types/counter.js';
import type { ObjectKind } from '../object-kind.js';

export interface CounterWriters {
  /** Default 1. Throws SwarmError where nothing may be written. */
  add(delta?: number): void;
}

type Body = ReturnType<typeof type.create>;

export const counter: ObjectKind<Body, number, typeof type.payloads, CounterWriters> = {
  type,
  writersOf: (object) => ({ add: (delta = 1) => object.write(type.payloads.add(delta)) }),
};
