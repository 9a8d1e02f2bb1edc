/** What requests must not cost: machine events, promises, snapshots. Counted, not timed. */
import { createHook } from 'node:async_hooks';
import { expect, it, jest } from '@jest/globals';
import * as xstate from 'xstate';
import { wires } from '../../src/transport/wire.js';
import { createMemoryNetwork } from '../../src/transport/memory-bus.js';
import { VirtualTime } from '../../src/actors/runtime/virtual-time.js';
import { bootNode } from '../../src/node.js';
import { TEST_SETTINGS } from '../../src/testing/index.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { encodeMessage } from '../../src/transport/binary-codec.js';
import { packValue } from '../../src/transport/msgpack.js';

jest.mock('xstate', () => ({ __esModule: true, ...jest.requireActual<typeof xstate>('xstate') }));

const REQUESTS = 100_000;
const BATCH = 100;

it('100,000 requests cause no machine event, no promise and no xstate snapshot', () => {
  const time = new VirtualTime({ seed: 1 });
  const network = createMemoryNetwork({ defer: (delayMs, run) => time.at(time.nowMs + delayMs, run) });
  const booted = bootNode({
    env: { ...time.env(() => {}), bus: network.bus('n0'), wires, disk: null, opDisks: null },
    settings: { ...TEST_SETTINGS, listen: [{ host: '127.0.0.1', port: 7101 }], name: 'n0' },
    clientScript: null,
    onListening: () => {},
    onRunning: () => {},
    onEnd: () => {},
  });
  time.advance(100);
  let frames = 0;
  let bytesIn = 0;
  const client = network.connectClient('ws://127.0.0.1:7101', {
    onOpen: () => {},
    onFrame: (data) => {
      frames += 1;
      bytesIn += data.length;
    },
    onClosed: () => {},
  });
  time.advance(100);
  const value = packValue('x'.repeat(64));
  const frameOf = (round: number): Uint8Array => {
    const writer = new FrameWriter();
    for (let i = 0; i < BATCH; i += 1) {
      const key = `key:${(round * BATCH + i) % 1000}`;
      if (i % 2 === 0) encodeMessage({ type: 'set', id: i, key, options: {}, value }, writer);
      else encodeMessage({ type: 'get', id: i, key, options: {} }, writer);
    }
    return writer.bytes.slice();
  };
  // Warm: all keys exist, so that gets are hits.
  for (let round = 0; round < 20; round += 1) {
    client.send(frameOf(round));
    time.advance(1);
  }
  const framesBefore = frames;

  const transition = jest.spyOn(xstate, 'transition');
  const createActor = jest.spyOn(xstate, 'createActor');
  let promises = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') promises += 1;
    },
  });
  const eventsBefore = booted.runtime.counters.events;
  const processedBefore = booted.runtime.counters.processed;
  hook.enable();
  for (let round = 0; round < REQUESTS / BATCH; round += 1) {
    client.send(frameOf(round));
    time.advance(1);
  }
  hook.disable();

  expect(frames - framesBefore).toBe(REQUESTS / BATCH);
  expect(bytesIn).toBeGreaterThan(REQUESTS * 3);
  expect(booted.runtime.counters.processed - processedBefore).toBeGreaterThanOrEqual(REQUESTS * 3);
  expect(promises).toBe(0);
  expect(booted.runtime.counters.events - eventsBefore).toBe(0);
  expect(transition).not.toHaveBeenCalled();
  expect(createActor).not.toHaveBeenCalled();
});
