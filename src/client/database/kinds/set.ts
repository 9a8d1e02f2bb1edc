/** Sets of values; of an add and a remove that don't know of each other, the add wins. */
import { set as type } from '../../../store/types/set.js';
import type { SetView } from '../../../store/types/set.js';
import type { ObjectKind } from '../object-kind.js';

export interface SetWriters {
  /** Any values that MessagePack carries; equal ones are one. Throws SwarmError where nothing may be written. */
  add(...values: readonly unknown[]): void;
  /** Removes those that are there, as far as it is known here. */
  remove(...values: readonly unknown[]): void;
  /** Removes all that is there, as far as it is known here. */
  clear(): void;
}

type Body = ReturnType<typeof type.create>;

export const set: ObjectKind<Body, SetView, typeof type.payloads, SetWriters> = {
  type,
  writersOf(object) {
    const write = (payload: Uint8Array | null): void => {
      if (payload !== null) object.write(payload);
    };
    return {
      add: (...values) => object.write(type.payloads.add(values)),
      remove: (...values) => write(type.payloads.remove(object.body, values)),
      clear: () => write(type.payloads.clear(object.body)),
    };
  },
};
