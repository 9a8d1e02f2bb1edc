/**
 * What a replica keeps about itself, beside its ops: which database it is and which of its peers, the incarnations of its
 * log (RULES RE), how far it has come in the logs of other peers, and a transfer of states that is under way.
 *
 * Invariant: each is a record of the store, so that it never reaches the disk without the ops that it speaks of.
 */
import type { OpDisk } from '../../disk/op-disk.js';
import { decodeIncarnations, LogIncarnations, parsePosition } from '../../store/log-position.js';
import type { LogPosition } from '../../store/log-position.js';
import { drawNodeId } from '../../store/node-id.js';
import type { NodeId } from '../../store/node-id.js';
import { parseOptions } from '../database-options.js';
import type { DatabaseOptions } from '../database-options.js';
import type { Random } from '../runtime/env.js';
import type { PeerInfo } from './peer-info.js';
import type { ReplicaStore } from './store.js';

/** What the database is, and which of its peers this one is. */
export interface Meta {
  readonly options: DatabaseOptions;
  readonly peer: string;
  /** Other peers had more when it was made, and not all of that is here yet. */
  readonly isJoining: boolean;
}

const META_RECORD = 'meta';
const TABLE_RECORD = 'log';
const ABSORBING_RECORD = 'absorbing';
const POSITION_RECORDS = 'position:';

/** What an earlier start has kept; null: it never came so far. */
export function metaOn(disk: OpDisk): Meta | null {
  const kept = decodeRecord(disk.record(META_RECORD));
  const options = kept === null ? null : parseOptions((kept['options'] ?? {}) as Record<string, unknown>);
  if (kept === null || options === null) return null;
  return { options, peer: String(kept['peer']), isJoining: kept['isJoining'] === true };
}

export class Records {
  readonly #store: ReplicaStore;
  readonly #random: Random;
  #meta: Meta;
  #table: LogIncarnations;
  #absorbing: PeerInfo['absorbing'];

  /** Of a store that has recovered: the log gets a new incarnation. `isNew`: the meta record is not on disk. */
  constructor(store: ReplicaStore, meta: Meta, isNew: boolean, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#meta = meta;
    const kept = store.record(TABLE_RECORD);
    this.#table = (kept === null ? null : decodeIncarnations(kept)) ?? new LogIncarnations();
    this.#renewLog();
    if (isNew) this.putMeta(meta);
    this.#absorbing = parseAbsorbing(decodeRecord(store.record(ABSORBING_RECORD)));
  }

  get meta(): Meta {
    return this.#meta;
  }

  putMeta(meta: Meta): void {
    this.#meta = meta;
    this.#store.putRecord(META_RECORD, encodeRecord(meta));
  }

  get table(): LogIncarnations {
    return this.#table;
  }

  /** The present incarnation of the log. */
  get logName(): NodeId {
    return this.#table.last?.log as NodeId;
  }

  /** Where that position is in the log now; null if nobody can tell (RULES RE). */
  resolve(position: LogPosition): number | null {
    return this.#table.resolve(position, this.#store.stored);
  }

  /** From which peer states are being taken in, and how far; null: from none. */
  get absorbing(): PeerInfo['absorbing'] {
    return this.#absorbing;
  }

  noteAbsorbing(absorbing: PeerInfo['absorbing']): void {
    this.#absorbing = absorbing;
    this.#store.putRecord(ABSORBING_RECORD, absorbing === null ? null : encodeRecord(absorbing));
  }

  /** What is here now covers more than the log says: positions in it are worth nothing any more. */
  forgetPositions(): void {
    this.#table = new LogIncarnations();
    this.#renewLog();
  }

  /** In the log of that node's peer. */
  positionAt(node: NodeId): LogPosition | null {
    const kept = decodeRecord(this.#store.record(`${POSITION_RECORDS}${node}`));
    return kept === null ? null : parsePosition(`${String(kept['log'])}:${String(kept['index'])}`);
  }

  putPositionAt(node: NodeId, position: LogPosition): void {
    this.#store.putRecord(`${POSITION_RECORDS}${node}`, encodeRecord(position));
  }

  #renewLog(): void {
    this.#table.begin(drawNodeId(this.#random), this.#store.log.length);
    this.#store.putRecord(TABLE_RECORD, this.#table.encode());
  }
}

const parseAbsorbing = (kept: Record<string, unknown> | null): PeerInfo['absorbing'] => {
  const { peer, floor, after } = kept ?? {};
  return typeof peer === 'string' && typeof floor === 'number' && typeof after === 'string'
    ? { peer, floor, after }
    : null;
};

const toBytes = new TextEncoder();
const toText = new TextDecoder();
const encodeRecord = (record: object): Uint8Array => toBytes.encode(JSON.stringify(record));
const decodeRecord = (bytes: Uint8Array | null): Record<string, unknown> | null =>
  bytes === null ? null : (JSON.parse(toText.decode(bytes)) as Record<string, unknown>);
