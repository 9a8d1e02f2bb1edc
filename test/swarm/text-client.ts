/** A client that is no more than a socket and speaks JSON: what a script in any language would be. */
import { expect } from '@jest/globals';
import type { Swarm } from '../../src/testing/index.js';
import type { ClientEnd } from '../../src/transport/memory-bus.js';

export class TextClient {
  /** Frames that came and that nobody has taken. */
  readonly frames: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #swarm: Swarm;
  readonly #end: ClientEnd;

  constructor(swarm: Swarm, node: number) {
    this.#swarm = swarm;
    this.#end = swarm.connect(node, {
      onOpen: () => {},
      onFrame: (data) => void this.frames.push(data as string),
      onClosed: (code, reason) => void (this.closed = { code, reason }),
    });
    swarm.advance(50);
  }

  send(request: unknown): void {
    this.#end.send(JSON.stringify(request));
  }

  /** What one frame is answered by: one frame, or the test fails. */
  async ask(request: unknown, withinMs = 1000): Promise<unknown> {
    this.send(request);
    this.#swarm.advance(withinMs);
    expect(this.frames.length).toBe(1);
    return JSON.parse(this.frames.shift() as string) as unknown;
  }

  /** Takes all that came. */
  take(): unknown[] {
    return this.frames.splice(0).map((frame) => JSON.parse(frame) as unknown);
  }
}
