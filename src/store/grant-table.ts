/**
 * The sessions that a peer has granted to its clients, each for an interval of stamp time (RULES RF). A client writes no
 * op outside its interval, and contact renews it. A session that has not been renewed is given to somebody else, but only
 * with an interval that begins after the former one's end and the largest skew of clocks: so no stamp is made twice.
 *
 * A client's first word is the time of its last op, or of its grant's beginning if it has written none since. What lies
 * outside the interval was another one's: such a client gets a new session. All times are stamp times.
 */
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import type { Scheme } from './replica-id.js';

export interface Grant {
  /** Of the session, from 1 on; 0 where the client is the replica itself. */
  readonly number: number;
  /** The first and the last time of its stamps. */
  readonly fromTime: number;
  readonly untilTime: number;
}

export interface GrantLimits {
  readonly scheme: Scheme;
  /** How far beyond the last contact an interval reaches. */
  readonly intervalTime: number;
  /** Between two clocks at most. */
  readonly skewTime: number;
  /** Of all clients together. */
  readonly grantsMax: number;
}

/** The end of what is never given to somebody else. */
export const FOREVER = Number.MAX_SAFE_INTEGER;

const reader = new FrameReader();
const writer = new FrameWriter();

export class GrantTable {
  readonly #limits: GrantLimits;
  /** By client chunk and number. */
  readonly #clients = new Map<string, Map<number, Grant>>();
  #count = 0;
  #forgotten: string[] = [];
  /** Above the end of what was forgotten: no interval begins before, even if the clock is set back. */
  #floorTime = 0;

  constructor(limits: GrantLimits) {
    this.#limits = limits;
  }

  /** Grants that are remembered. */
  get count(): number {
    return this.#count;
  }

  /** Whether anything was granted to that client, and is remembered. */
  hasClient(client: string): boolean {
    return this.#clients.has(client);
  }

  find(client: string, number: number): Grant | null {
    return this.#clients.get(client)?.get(number) ?? null;
  }

  /**
   * A session that nobody has, for the client of that chunk. `draw`: a number by chance, from which on a free one is
   * looked for, so that a peer with an old disk hardly gives what it gave before. Null if there is none: all are in
   * use, the table is full, or the scheme has no sessions and the client has its one replica.
   */
  grant(client: string, nowTime: number, draw: number): Grant | null {
    const { scheme, intervalTime, grantsMax } = this.#limits;
    if (this.#count >= grantsMax) this.#forgetEnded(nowTime);
    const fromTime = Math.max(nowTime, this.#floorTime);
    const sessions = this.#clients.get(client);
    if (!scheme.hasSessions) {
      if (sessions !== undefined || this.#count >= grantsMax) return null;
      return this.#put(client, { number: 0, fromTime, untilTime: FOREVER });
    }
    const number = this.#count < grantsMax ? this.#freeNumber(sessions, draw) : 0;
    const taken = number > 0 ? number : this.#endedNumber(sessions, nowTime);
    if (taken === 0) return null;
    return this.#put(client, { number: taken, fromTime, untilTime: Math.min(fromTime + intervalTime, FOREVER) });
  }

  /**
   * Contact of a client, whose last op is of that time (or whose grant began then). Its grant, renewed; null if it has
   * none any more, and needs a new one.
   */
  renew(client: string, number: number, lastTime: number, nowTime: number): Grant | null {
    const grant = this.find(client, number);
    if (grant === null || lastTime < grant.fromTime || lastTime > grant.untilTime) return null;
    const untilTime = Math.max(grant.untilTime, nowTime + this.#limits.intervalTime);
    return this.#put(client, { ...grant, untilTime: Math.min(untilTime, FOREVER) });
  }

  /**
   * Contact of a client whose grant is not known here, with a last op of that time: a disk that was set back has forgotten
   * it. It goes on with its session, from the last op on that is stored here, for others may wait, and be at other peers;
   * null if the session may have ended long ago.
   */
  adopt(client: string, number: number, lastTime: number, storedTime: number, nowTime: number): Grant | null {
    const { intervalTime, grantsMax } = this.#limits;
    if (lastTime <= this.#floorTime || this.#count >= grantsMax || this.find(client, number) !== null) return null;
    if (lastTime + intervalTime < nowTime) return null;
    const untilTime = Math.min(nowTime + intervalTime, FOREVER);
    const fromTime = Math.min(Math.max(this.#floorTime, storedTime), nowTime);
    return this.#put(client, { number, fromTime, untilTime });
  }

  /** `[floorTime, [[client, [[number, fromTime, untilTime], ...]], ...]]` */
  encode(): Uint8Array {
    writer.reset();
    writer.array(2);
    writer.integer(this.#floorTime);
    writer.array(this.#clients.size);
    for (const [client, sessions] of this.#clients) {
      writer.array(2);
      writer.text(client);
      writer.array(sessions.size);
      for (const { number, fromTime, untilTime } of sessions.values()) {
        writer.array(3);
        writer.integer(number);
        writer.integer(fromTime);
        writer.integer(untilTime);
      }
    }
    return writer.copy();
  }

  /** The part of `encode` that is about one client, as a whole; null if it has none. For a record of its own. */
  encodeClient(client: string): Uint8Array | null {
    const sessions = this.#clients.get(client);
    if (sessions === undefined) return null;
    const table = new GrantTable(this.#limits);
    table.#floorTime = this.#floorTime;
    for (const grant of sessions.values()) table.#put(client, grant);
    return table.encode();
  }

  /** Adds what `encodeClient` or `encode` wrote. False, and nothing is changed, for anything else. */
  restore(bytes: Uint8Array): boolean {
    const table = GrantTable.decode(bytes, this.#limits);
    if (table === null) return false;
    this.#floorTime = Math.max(this.#floorTime, table.#floorTime);
    for (const [client, sessions] of table.#clients) {
      for (const grant of sessions.values()) this.#put(client, grant);
    }
    return true;
  }

  /** The clients that have been forgotten as a whole since the last call. */
  takeForgotten(): readonly string[] {
    const forgotten = this.#forgotten;
    this.#forgotten = [];
    return forgotten;
  }

  #put(client: string, grant: Grant): Grant {
    let sessions = this.#clients.get(client);
    if (sessions === undefined) this.#clients.set(client, (sessions = new Map()));
    if (!sessions.has(grant.number)) this.#count += 1;
    sessions.set(grant.number, grant);
    return grant;
  }

  /** One that is not remembered, or 0. */
  #freeNumber(sessions: ReadonlyMap<number, Grant> | undefined, draw: number): number {
    const numbers = this.#limits.scheme.countOf('session');
    if ((sessions?.size ?? 0) >= numbers) return 0;
    for (let i = 0; ; i += 1) {
      const number = 1 + ((draw + i) % numbers);
      if (sessions?.has(number) !== true) return number;
    }
  }

  /** The one that ended first, if it ended long enough ago; or 0. */
  #endedNumber(sessions: ReadonlyMap<number, Grant> | undefined, nowTime: number): number {
    let first: Grant | null = null;
    for (const grant of sessions?.values() ?? []) {
      if (first === null || grant.untilTime < first.untilTime) first = grant;
    }
    return first !== null && this.#hasEnded(first, nowTime) ? first.number : 0;
  }

  /** What has ended long enough ago may be forgotten: a new interval begins later. */
  #forgetEnded(nowTime: number): void {
    for (const [client, sessions] of this.#clients) {
      for (const [number, grant] of sessions) {
        if (!this.#hasEnded(grant, nowTime)) continue;
        sessions.delete(number);
        this.#floorTime = Math.max(this.#floorTime, grant.untilTime + this.#limits.skewTime + 1);
        this.#count -= 1;
      }
      if (sessions.size > 0) continue;
      this.#clients.delete(client);
      this.#forgotten.push(client);
    }
  }

  #hasEnded({ untilTime }: Grant, nowTime: number): boolean {
    return nowTime > untilTime + this.#limits.skewTime;
  }

  /** The table of what `encode` wrote, or null. */
  static decode(bytes: Uint8Array, limits: GrantLimits): GrantTable | null {
    const table = new GrantTable(limits);
    const numbersMax = limits.scheme.countOf('session');
    reader.reset(bytes);
    if (reader.readArray() !== 2) return null;
    table.#floorTime = reader.readInteger();
    const clientCount = reader.readArray();
    if (!(table.#floorTime >= 0) || clientCount < 0) return null;
    for (let i = 0; i < clientCount; i += 1) {
      if (reader.readArray() !== 2) return null;
      const client = reader.readText() ?? '';
      const count = reader.readArray();
      if (count < 1 || table.hasClient(client) || Number.isNaN(limits.scheme.numberOf('client', client))) return null;
      for (let k = 0; k < count; k += 1) {
        if (reader.readArray() !== 3) return null;
        const number = reader.readInteger();
        const fromTime = reader.readInteger();
        const untilTime = reader.readInteger();
        const isNumber = limits.scheme.hasSessions ? number >= 1 && number <= numbersMax : number === 0;
        if (!isNumber || !(fromTime >= 0 && untilTime >= fromTime) || table.find(client, number) !== null) return null;
        table.#put(client, { number, fromTime, untilTime });
      }
    }
    return reader.isAtEnd && table.count <= limits.grantsMax ? table : null;
  }
}
