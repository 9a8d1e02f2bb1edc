import { expect, it } from '@jest/globals';
import {
  compileMachine,
  createRuntime,
  createTestRuntime,
  defineKind,
  events,
  nodeEnv,
  refuse,
  setup,
} from '../../../src/actors/runtime/index.js';
import type { Self } from '../../../src/actors/runtime/index.js';

// The README quotes this kind and the first test.
type Job = { type: 'job'; text: string };
type Take = { type: 'take' };

const machine = compileMachine(
  setup({ types: events<'filled' | 'freed'>() }).createMachine({
    id: 'work queue',
    initial: 'open',
    states: { open: { on: { filled: 'full' } }, full: { on: { freed: 'open' } } },
  }),
);

const workQueue = defineKind({
  name: 'work queue',
  machine,
  create: (_self: Self<Job | Take, 'filled' | 'freed'>, room: number) => ({ room, jobs: [] as Job[] }),
  tables: {
    open: {
      job(job) {
        return this.jobs.push(job) === this.room ? 'filled' : undefined;
      },
      take(_take, from) {
        from.tell(this.jobs.shift() ?? { type: 'empty' });
      },
    },
    full: {
      job: refuse,
      take(_take, from) {
        from.tell(this.jobs.shift() ?? { type: 'empty' });
        return 'freed';
      },
    },
  },
  commands: {},
  mailbox: { capacity: 1000 },
  refusal: (_message, why) => ({ type: 'refused', why }),
});

it('is a bounded queue, asked from outside', async () => {
  const runtime = createRuntime(nodeEnv({ log: () => {} }));
  const queue = runtime.spawn(workQueue, 'queue', 1);
  queue.tell({ type: 'job', text: 'write' });
  expect(await runtime.ask(queue, { type: 'job', text: 'rest' }, 1000)).toMatchObject({ why: 'state' });
  expect(await runtime.ask(queue, { type: 'take' }, 1000)).toEqual({ type: 'job', text: 'write' });
  await new Promise<void>((done) => runtime.shutdown(done));
});

it('does the same in virtual time, message by message', () => {
  const runtime = createTestRuntime();
  const worker = runtime.probe();
  const queue = runtime.spawn(workQueue, 'queue', 1);
  for (const text of ['write', 'rest']) worker.tell(queue, { type: 'job', text });
  worker.expect('refused', { why: 'state' });
  worker.tell(queue, { type: 'take' });
  worker.expect('job', { text: 'write' });
  worker.tell(queue, { type: 'take' });
  worker.expect('empty');
  worker.expectNone();
  expect(runtime.lines.slice(0, 3)).toEqual([
    '/probe -> /queue job',
    '/queue -> /probe refused',
    '/probe -> /queue take',
  ]);
  runtime.close();
});
