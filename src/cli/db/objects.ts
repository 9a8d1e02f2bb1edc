/** All objects of a peer, or those with a type and a prefix, put together from what its log tells. */
import { objectName } from '../../store/op.js';
import { parseNodeId } from '../../store/node-id.js';
import { typeNamed } from '../../store/types/index.js';
import { decodeState, ObjectState } from '../../store/types/object-state.js';
import type { Info } from '../../transport/message.js';
import { EXIT, failure } from '../exit.js';
import type { SwarmClient } from '../outside.js';

export interface Choice {
  readonly type?: string;
  readonly prefix?: string;
}

/** Object's name => state, in no order. `onEntries` is told how many changes and states there were so far. */
export async function readObjects(
  client: SwarmClient,
  database: string,
  choice: Choice,
  onEntries: (count: number) => void,
): Promise<Map<string, ObjectState>> {
  const states = new Map<string, ObjectState>();
  let count = 0;
  for await (const entries of client.log(database, { ...choice, follow: false }).pages()) {
    for (const { kind, time, origin, type: typeName, id, bytes } of entries) {
      const name = objectName(typeName, id);
      const type = typeNamed(typeName);
      if (type === null) throw failure(EXIT.failed, `${name} is of a type that this version does not know`);
      const state = states.get(name) ?? new ObjectState(type);
      states.set(name, state);
      const author = parseNodeId(origin);
      const other = kind === 'snapshot' ? decodeState(type, bytes) : null;
      if (other !== null) state.join(other);
      else if (kind === 'op' && author !== null && type.objectionTo(bytes) === null)
        state.apply({ time, origin: author }, bytes);
      else throw failure(EXIT.failed, `${name} has a state or a change that this version can't read`);
    }
    count += entries.length;
    onEntries(count);
  }
  return states;
}

/** How many changes and states there are to be read of all objects, about. */
export function entriesIn({ length, floor, objects }: Info): number {
  const changes = Number(length) - Number(floor);
  return Math.max(1, changes + (Number(floor) > 0 ? Number(objects) : 0));
}
