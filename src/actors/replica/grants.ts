/**
 * Who may write under which replica id, and for how long (RULES RF). A grant is on disk before its client hears of it; a
 * client that has forgotten what it wrote, or whose interval is over, gets another session (RULES RE).
 */
import { FOREVER, GrantTable } from '../../store/grant-table.js';
import type { Grant, GrantLimits } from '../../store/grant-table.js';
import type { NodeId } from '../../store/node-id.js';
import { parseScheme } from '../../store/replica-id.js';
import type { ReplicaId, Scheme } from '../../store/replica-id.js';
import { msOfTime, parseTime, timeOfMs } from '../../store/stamp.js';
import type { DatabaseOptions } from '../database-options.js';
import { OP_SKEW_MS_MAX } from '../settings.js';
import type { ReplicaCounts } from './counts.js';
import type { ReplicaStore } from './store.js';

export interface Granted {
  readonly replica: NodeId;
  /** The first and the last time of its stamps; null: as the peer has said that granted it. */
  readonly fromTime: number | null;
  readonly untilTime: number | null;
}

export interface NotGranted {
  readonly name: string;
  readonly refusal: string;
}

interface Random {
  below(limit: number): number;
}

/** A grant reaches so far beyond the last contact. */
const GRANT_MS = 30 * 24 * 60 * 60 * 1000;
const GRANTS_MAX = 262_144;
/** Of the table, a record for each client: what a grant writes must not grow with their number. */
const RECORDS = 'grants:';
const DRAWS_MAX = 100;

export class Grants {
  readonly #store: ReplicaStore;
  readonly #options: DatabaseOptions;
  readonly #scheme: Scheme;
  readonly #peer: ReplicaId;
  readonly #counts: ReplicaCounts;
  readonly #random: Random;
  readonly #table: GrantTable;
  /** What was found for the op before: most follow one of the same replica. */
  #lastReplica = '';
  #lastInterval: Pick<Grant, 'fromTime' | 'untilTime'> | null = null;

  constructor(store: ReplicaStore, options: DatabaseOptions, peer: string, counts: ReplicaCounts, random: Random) {
    this.#store = store;
    this.#options = options;
    this.#scheme = parseScheme(options.scheme) as Scheme;
    this.#peer = peer as ReplicaId;
    this.#counts = counts;
    this.#random = random;
    const limits: GrantLimits = {
      scheme: this.#scheme,
      intervalTime: timeOfSpan(GRANT_MS),
      skewTime: timeOfSpan(OP_SKEW_MS_MAX),
      grantsMax: GRANTS_MAX,
    };
    this.#table = new GrantTable(limits);
    for (const bytes of store.records(RECORDS).values()) this.#table.restore(bytes);
  }

  open(
    asked: { readonly replica?: string; readonly client?: string; readonly last?: string },
    wallMs: number,
  ): Granted | NotGranted {
    const { replica, client = '', last } = asked;
    this.#lastReplica = '';
    if (replica === undefined) return this.#grantFresh(client, wallMs);
    const id = this.#scheme.parse(replica);
    if (id === null || !this.#scheme.isReplica(id)) {
      return { name: 'wrong scope', refusal: `no replica of the scheme ${this.#scheme.text} has that id` };
    }
    const lastTime = last === undefined ? 0 : parseTime(last.split(/[-+]/)[0] as string);
    if (lastTime === null) return { name: 'wrong scope', refusal: 'last: the time of a stamp is expected' };
    const { client: chunk, session } = this.#scheme.chunksOf(id);
    // It would write stamps again that it has forgotten.
    const storedTime = this.#store.chains.lastTime(id);
    const isBehind = last !== undefined && lastTime < storedTime;
    if (this.#scheme.peerOf(id) !== this.#peer) {
      return isBehind ? this.#grantFresh('', wallMs) : { replica: id, fromTime: null, untilTime: null };
    }
    if (isBehind) return this.#grantFresh(chunk, wallMs);
    const number = this.#scheme.hasSessions ? this.#scheme.numberOf('session', session) : 0;
    const present = this.#table.find(chunk, number);
    const nowTime = timeOfMs(wallMs);
    const renewed =
      present === null && lastTime > 0
        ? this.#table.adopt(chunk, number, lastTime, storedTime, nowTime)
        : this.#table.renew(chunk, number, lastTime === 0 ? (present?.fromTime ?? 0) : lastTime, nowTime);
    return renewed === null ? this.#grantFresh(chunk, wallMs) : this.#granted(chunk, renewed);
  }

  /** Why an op of that time may not be written under that id here; null if it may. */
  objectionTo(replica: NodeId, time: number): string | null {
    if (replica !== this.#lastReplica) {
      this.#lastReplica = replica;
      this.#lastInterval = this.#intervalOf(replica as ReplicaId);
    }
    const interval = this.#lastInterval;
    if (interval !== null && time >= interval.fromTime && time <= interval.untilTime) return null;
    return 'the stamp is outside of the interval for which the replica id was granted';
  }

  /** In which that replica may write here; null: there is none. */
  #intervalOf(id: ReplicaId): Pick<Grant, 'fromTime' | 'untilTime'> | null {
    if (this.#scheme.peerOf(id) !== this.#peer) return ALWAYS;
    const { client, session } = this.#scheme.chunksOf(id);
    const number = this.#scheme.hasSessions ? this.#scheme.numberOf('session', session) : 0;
    return this.#table.find(client, number);
  }

  #grantFresh(wanted: string, wallMs: number): Granted | NotGranted {
    const scheme = this.#scheme;
    const client = wanted === '' ? this.#drawClient() : wanted.replace(/0+$/, '');
    if (Number.isNaN(scheme.numberOf('client', client))) {
      const refusal = `client: up to ${scheme.widthOf('client')} characters of Base64x64 are expected`;
      return { name: 'wrong scope', refusal };
    }
    if (!this.#options.isShared && !this.#table.hasClient(client) && this.#isElsewhere(client)) {
      return { name: 'wrong scope', refusal: 'the client id is taken at another peer' };
    }
    const draw = this.#random.below(scheme.countOf('session') + 1);
    const grant = this.#table.grant(client, timeOfMs(wallMs), draw);
    if (grant === null)
      return { name: 'no grant', refusal: 'all ids of that client are in use, or too many of this peer' };
    return this.#granted(client, grant);
  }

  #granted(client: string, { number, fromTime, untilTime }: Grant): Granted {
    this.#counts.grants += 1;
    for (const forgotten of this.#table.takeForgotten()) this.#store.putRecord(`${RECORDS}${forgotten}`, null);
    const bytes = this.#table.encodeClient(client);
    if (bytes !== null) this.#store.putRecord(`${RECORDS}${client}`, bytes);
    const session = number === 0 ? '' : this.#scheme.chunkOf('session', number);
    const { primus, peer } = this.#scheme.chunksOf(this.#peer);
    return { replica: this.#scheme.compose({ primus, peer, client, session }), fromTime, untilTime };
  }

  #drawClient(): string {
    const count = this.#scheme.countOf('client');
    for (let draws = 0; ; draws += 1) {
      // A chunk may have more bits than one draw.
      const number = 1 + ((this.#random.below(2 ** 31) * 2 ** 22 + this.#random.below(2 ** 22)) % count);
      const client = this.#scheme.chunkOf('client', number);
      if (draws >= DRAWS_MAX || !this.#table.hasClient(client)) return client;
    }
  }

  #isElsewhere(client: string): boolean {
    for (const origin of this.#store.chains.origins()) {
      const id = this.#scheme.parse(origin);
      if (id !== null && this.#scheme.chunksOf(id).client === client && this.#scheme.peerOf(id) !== this.#peer)
        return true;
    }
    return false;
  }
}

/** What was granted by another peer is not this one's to judge. */
const ALWAYS = { fromTime: 0, untilTime: FOREVER } as const;

/** Times of stamps between two moments that far apart. */
function timeOfSpan(ms: number): number {
  return timeOfMs(msOfTime(0) + ms);
}
