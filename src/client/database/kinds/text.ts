/** Texts and rich documents: a Yjs document whose changes are ops, in both directions. */
import { text as type } from '../../../store/types/text.js';
import type { TextAttributes, TextBody } from '../../../store/types/text.js';
import type { ObjectKind } from '../object-kind.js';

export interface TextWriters {
  /** The Yjs document, for an editor to bind to: what it changes is written, what others write appears in it. */
  readonly doc: TextBody['doc'];
  /** Positions and lengths count UTF-16 code units. RangeError for those outside of the text. */
  insert(index: number, text: string, attributes?: TextAttributes): void;
  remove(index: number, length: number): void;
  /** An attribute of null takes the formatting off. */
  format(index: number, length: number, attributes: TextAttributes): void;
}

export const text: ObjectKind<TextBody, string, typeof type.payloads, TextWriters> = {
  type,
  writersOf(object) {
    const { payloads } = type;
    let isWatched = false;
    return {
      get doc(): TextBody['doc'] {
        if (!isWatched && object.origin !== null) {
          isWatched = true;
          payloads.watch(object.body, object.origin, (payload) => object.write(payload));
        }
        return object.body.doc;
      },
      insert: (index, given, attributes) =>
        object.write(payloads.insert(object.body, object.author(), index, given, attributes)),
      remove: (index, length) => object.write(payloads.remove(object.body, object.author(), index, length)),
      format: (index, length, attributes) =>
        object.write(payloads.format(object.body, object.author(), index, length, attributes)),
    };
  },
};
