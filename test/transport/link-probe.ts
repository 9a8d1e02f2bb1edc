/** Both ends of links under test: what they heard, and ways to wait for it. */
import type {
  Accept,
  Answer,
  Dial,
  DialOptions,
  Link,
  LinkHandler,
  LinkKind,
  Listen,
  Listener,
  ListenOptions,
} from '../../src/transport/link.js';

export const LISTEN: ListenOptions = {
  host: '127.0.0.1',
  port: 0,
  socketPath: null,
  isShared: false,
  tls: null,
  linkSecret: null,
  origins: [],
  hosts: [],
  connectionsMax: 100,
  clientFrameBytesMax: 65_536,
  linkFrameBytesMax: 2_097_152,
  backlogBytesMax: 4_194_304,
  onRefused: () => {},
};

export const DIAL: DialOptions = {
  linkSecret: null,
  tlsCaFile: null,
  proxy: null,
  timeoutMs: 5_000,
  frameBytesMax: 2_097_152,
  backlogBytesMax: 4_194_304,
};

export interface Heard {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
}

/** One end of a link; records what its handler is told. */
export class Probe implements LinkHandler {
  readonly link: Link;
  readonly kind: LinkKind | null;
  readonly frames: Heard[] = [];
  readonly closes: { code: number; reason: string }[] = [];
  writableCount = 0;
  /** Instead of recording. */
  react: ((bytes: Uint8Array, isText: boolean) => void) | null = null;
  #isInCall = false;
  readonly broken: string[] = [];

  constructor(link: Link, kind: LinkKind | null) {
    this.link = link;
    this.kind = kind;
  }

  onFrame(bytes: Uint8Array, isText: boolean): void {
    this.#told('onFrame');
    if (this.react !== null) this.react(bytes, isText);
    else this.frames.push({ bytes: new Uint8Array(bytes), isText });
  }

  onWritable(): void {
    this.#told('onWritable');
    this.writableCount++;
  }

  onClosed(code: number, reason: string): void {
    this.#told('onClosed');
    this.closes.push({ code, reason });
  }

  /** Does something with the link, during which the handler must not be called. */
  act(run: (link: Link) => void): void {
    this.#isInCall = true;
    run(this.link);
    this.#isInCall = false;
  }

  get texts(): string[] {
    return this.frames.map(({ bytes }) => Buffer.from(bytes).toString());
  }

  #told(what: string): void {
    if (this.#isInCall) this.broken.push(`${what} within a call of the link`);
    if (this.closes.length > 0) this.broken.push(`${what} after onClosed`);
  }
}

export async function until(holds: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await pause(2);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Listeners and links of one test, closed at its end. */
export class Bench {
  readonly #listen: Listen;
  readonly #dial: Dial;
  readonly #listeners: Listener[] = [];
  readonly probes: Probe[] = [];
  /** Those of the listeners, in the order in which they were admitted. */
  readonly accepted: Probe[] = [];

  constructor(listen: Listen, dial: Dial) {
    this.#listen = listen;
    this.#dial = dial;
  }

  readonly accept: Accept = (link, kind) => {
    const probe = new Probe(link, kind);
    this.accepted.push(probe);
    this.probes.push(probe);
    return probe;
  };

  /** Rejects with the reason. */
  listen(options: Partial<ListenOptions> = {}, accept = this.accept, answer: Answer = () => null): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const listening = (listener: Listener): void => {
        this.#listeners.push(listener);
        resolve(listener);
      };
      this.#listen({ ...LISTEN, ...options }, accept, answer, listening, (reason) => reject(new Error(reason)));
    });
  }

  /** Rejects with the reason. */
  dial(url: string, options: Partial<DialOptions> = {}): Promise<Probe> {
    return new Promise((resolve, reject) => {
      const opened = (link: Link): LinkHandler => {
        const probe = new Probe(link, null);
        this.probes.push(probe);
        resolve(probe);
        return probe;
      };
      this.#dial(url, { ...DIAL, ...options }, opened, (reason) => reject(new Error(reason)));
    });
  }

  /** A listener and one link to it: the dialling end and the answering end. */
  async pair(listenOptions: Partial<ListenOptions> = {}, dialOptions: Partial<DialOptions> = {}) {
    const listener = await this.listen(listenOptions);
    const near = await this.dial(urlOf(listener), dialOptions);
    await until(() => this.accepted.length > 0, 'accepted');
    return { listener, near, far: this.accepted.at(-1)! };
  }

  close(): void {
    for (const { link } of this.probes) link.terminate();
    for (const listener of this.#listeners) listener.terminate();
  }
}

export const urlOf = ({ host, port }: Listener, scheme = 'ws'): string => `${scheme}://${host}:${port}`;
