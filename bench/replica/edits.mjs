// Edits of one text, as an editor makes them while somebody types: most at the cursor, which jumps now and then, and some
// deletions. A Yjs update for each, always the same ones for the same client id.

import * as Y from 'yjs';
import { createRandom } from '../workload.mjs';

const ROOT = 'text';
const LETTERS = 'the quick brown fox jumps over the lazy dog ';
const SEED = 1;
const JUMP_SHARE = 0.02;
const DELETE_SHARE = 0.08;

export function makeEdits(count, clientId) {
  const doc = new Y.Doc();
  doc.clientID = clientId;
  const text = doc.getText(ROOT);
  const updates = [];
  doc.on('update', (update) => updates.push(update));
  const integer = createRandom(SEED);
  const random = () => integer() / 2 ** 32;
  let cursor = 0;
  let length = 0;
  for (let i = 0; i < count; i++) {
    if (random() < JUMP_SHARE) cursor = Math.floor(random() * (length + 1));
    if (cursor > 0 && random() < DELETE_SHARE) {
      cursor--;
      text.delete(cursor, 1);
      length--;
    } else {
      text.insert(cursor, LETTERS[i % LETTERS.length]);
      cursor++;
      length++;
    }
  }
  return { updates, text: text.toJSON() };
}

/** What the updates make of an empty text. */
export function textOf(updates) {
  const doc = new Y.Doc();
  doc.transact(() => {
    for (const update of updates) Y.applyUpdate(doc, update);
  });
  return doc.getText(ROOT).toJSON();
}
