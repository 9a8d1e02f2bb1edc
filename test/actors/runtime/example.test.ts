import { expect, it } from '@jest/globals';
import * as actors from '../../../src/actors/runtime/index.js';
import type { Ref, Self } from '../../../src/actors/runtime/index.js';

const { compileMachine, createRuntime, createTestRuntime, defineKind, events, nodeEnv, refuse, setup } = actors;

// A queue of jobs for workers that come and ask; README quotes it from here ...
type Job = { readonly type: 'job'; readonly text: string };
type Message = Job | { readonly type: 'take' } | { readonly type: 'size' };

const machine = compileMachine(
  setup({ types: events<'filled' | 'drained' | 'stop'>() }).createMachine({
    initial: 'open',
    states: { open: { on: { filled: 'full' } }, full: { on: { drained: 'open' } } },
  }),
);

class WorkQueue {
  readonly jobs: Job[] = [];

  constructor(
    readonly self: Self<Message>,
    readonly jobsMax: number,
  ) {}

  onJob(job: Job): 'filled' | void {
    if (this.jobs.push(job) === this.jobsMax) return 'filled';
  }

  onTake(_message: Message, from: Ref): 'drained' | void {
    from.tell(this.jobs.shift() ?? { type: 'empty' }, this.self.ref);
    return 'drained';
  }

  onSize(_message: Message, from: Ref): void {
    from.tell({ type: 'count', count: this.jobs.length } as Count, this.self.ref);
  }
}
type Count = { readonly type: 'count'; readonly count: number };
