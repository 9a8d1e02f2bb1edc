/** One object in a client's hands, by itself. */
import { expect, it } from '@jest/globals';
import { ReplicatedObject } from '../../src/client/database/replicated-object.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { counter } from '../../src/store/types/counter.js';

const AUTHOR = parseNodeId('1R') as NodeId;
const host = { author: AUTHOR, assertAuthor: () => AUTHOR, write: () => {} };

it('[R3] what is written under an id that was used before hides nothing that its former holder wrote', () => {
  const object = new ReplicatedObject(host, counter, 'x');
  object.clear(true);
  object.applyOwn({ time: 10, origin: AUTHOR }, counter.payloads.add(1));
  expect(object.view).toBe(1);
  object.apply({ time: 5, origin: AUTHOR }, counter.payloads.add(100));
  object.tell();
  expect(object.view).toBe(101);
  expect(object.settle()).toBe(true);
  object.apply({ time: 10, origin: AUTHOR }, counter.payloads.add(1));
  object.tell();
  expect(object.view).toBe(101);
});
