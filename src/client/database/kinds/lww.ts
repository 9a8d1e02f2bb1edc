/** Objects of fields, each as it was written last. */
import { lww as type } from '../../../store/types/lww.js';
import type { LwwView } from '../../../store/types/lww.js';
import type { ObjectKind } from '../object-kind.js';

export interface LwwWriters {
  /** Any value that MessagePack carries. Null and undefined remove the field. Throws SwarmError where nothing may be written. */
  set(field: string, value: unknown): void;
  /** Several fields at once: nobody sees one of them without the others. */
  set(fields: Readonly<Record<string, unknown>>): void;
  delete(field: string): void;
}

type Body = ReturnType<typeof type.create>;

export const lww: ObjectKind<Body, LwwView, typeof type.payloads, LwwWriters> = {
  type,
  writersOf: (object) => ({
    set(first: string | Readonly<Record<string, unknown>>, value?: unknown) {
      object.write(type.payloads.set(typeof first === 'string' ? { [first]: value } : first));
    },
    delete: (field) => object.write(type.payloads.set({ [field]: null })),
  }),
};
