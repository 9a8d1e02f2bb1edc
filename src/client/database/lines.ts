/** The databases of a client on its one connection: gives ids to their requests, and each reply to whom it is for. */
import type { ClientReply, ClientRequest } from '../../transport/message.js';
import type { Unnumbered, Upstream, UpstreamConnection, UpstreamUser } from './upstream.js';

/** The client's part. */
export interface LineClient {
  /** An id that no open request of this client has. */
  takeId(): number;
}

/** What is needed of a connection. */
export interface LineConnection {
  write(request: ClientRequest): boolean;
  flush(): void;
  fail(reason: string): void;
}

export class Lines implements Upstream {
  readonly #client: LineClient;
  readonly #users = new Set<UpstreamUser>();
  #line: Line | null = null;

  constructor(client: LineClient) {
    this.#client = client;
  }

  attach(user: UpstreamUser): void {
    this.#users.add(user);
    if (this.#line !== null) user.onConnected(this.#line);
  }

  detach(user: UpstreamUser): void {
    this.#users.delete(user);
  }

  open(connection: LineConnection): void {
    this.#line = new Line(this.#client, connection);
    for (const user of this.#users) user.onConnected(this.#line);
  }

  lose(): void {
    if (this.#line === null) return;
    this.#line = null;
    for (const user of this.#users) user.onLost();
  }

  close(): void {
    this.#line = null;
    for (const user of this.#users) user.onClosed();
    this.#users.clear();
  }

  /** Whether the reply was for a database. */
  take(reply: ClientReply): boolean {
    return this.#line?.take(reply) ?? false;
  }
}

/** What waits for a reply, or for all that comes. */
interface Waiting {
  readonly goesOn: boolean;
  onReply(reply: ClientReply): void;
}

/** Requests that one reply does not end. */
const GOING_ON: ReadonlySet<Unnumbered['type']> = new Set(['openDatabase', 'subscribe']);

class Line implements UpstreamConnection {
  readonly #client: LineClient;
  readonly #connection: LineConnection;
  readonly #waiting = new Map<number, Waiting>();
  #isFlushDue = false;

  constructor(client: LineClient, connection: LineConnection) {
    this.#client = client;
    this.#connection = connection;
  }

  send(request: Unnumbered, onReply: (reply: ClientReply) => void): number | null {
    const id = this.#client.takeId();
    if (!this.#connection.write({ ...request, id } as ClientRequest)) return null;
    this.#waiting.set(id, { goesOn: GOING_ON.has(request.type), onReply });
    this.#flushSoon();
    return id;
  }

  forget(id: number): void {
    this.#waiting.delete(id);
  }

  fail(reason: string): void {
    this.#connection.fail(reason);
  }

  /** All requests of one tick leave in one frame. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.#connection.flush();
    });
  }

  take(reply: ClientReply): boolean {
    const id = reply.id ?? -1;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return false;
    if (!waiting.goesOn) this.#waiting.delete(id);
    waiting.onReply(reply);
    return true;
  }
}
