/**
 * Mistakes that the simulator of databases must notice, each by the failure that its rule prevents: the list of the
 * replicas' rules. Each names what a short plan has to be about so that the mistake shows.
 */
import type { FocusName } from '../../src/testing/replica-simulator/focus.js';
import type { Mutant } from './simulation-mutant.js';

export interface ReplicaMutant extends Mutant {
  readonly focus: FocusName;
  /** The first that shows it; of those behind it many do, too. */
  readonly seed: number;
}

export const REPLICA_MUTANTS: readonly ReplicaMutant[] = [
  {
    name: 'highest stamp instead of the chain',
    focus: 'alone',
    seed: 4,
    edits: [
      [
        "if (time > last) return prevTime === last ? 'next' : prevTime > last ? 'gap' : 'forked';",
        "if (time > last) return 'next';",
      ],
    ],
  },
  {
    // The other end goes on where this one is, and takes what comes.
    name: 'lazy from now',
    focus: 'lazy',
    seed: 1,
    edits: [
      [
        '|| isWoken) this.#goBack(nowMs);',
        '|| isWoken) isWoken ? this.reset(this.#replica.store.stored) : this.#goBack(nowMs);',
      ],
      [
        '    if (index > this.#position.index) {\n      this.#isGotDue = true;\n      return this.#sayGot();\n    }\n',
        '    if (index > this.#position.index) this.#position = { log, index };\n',
      ],
    ],
  },
  {
    name: 'incarnation persisted',
    focus: 'exchange',
    seed: 1,
    edits: [
      ['    this.#renewLog();\n    if (isNew)', '    if (this.#table.last === null) this.#renewLog();\n    if (isNew)'],
    ],
  },
  {
    name: 'handover without condition',
    focus: 'exchange',
    seed: 1,
    edits: [["    if (reader.seenCount > 0 && !this.#hasSeen()) return 'wait';\n", '']],
  },
  {
    // What was seen with any of the ops goes with the first one.
    name: 'condition per client',
    focus: 'exchange',
    seed: 1,
    edits: [
      [
        'const op = number < toldBelow ? kept : this.#bare(kept);',
        `const op = number < toldBelow ? this.#withAllSeen(kept) : this.#bare(kept);`,
      ],
      [
        '  #bare(op: Bytes): Bytes {\n',
        `  #withAllSeen(kept: Bytes): Bytes {
    const before = new Map(this.#seen);
    for (const { op } of this.#pending) this.#seeAgain(op);
    const seen = [...this.#seen].map(([origin, time]) => ({ origin, time }));
    this.#seen = before;
    return encodeOpWithSeen(this.#bare(kept), seen);
  }

  #bare(op: Bytes): Bytes {
`,
      ],
    ],
  },
  {
    name: 'buffer dropped at `stored`',
    focus: 'exchange',
    seed: 1,
    edits: [
      [
        'if (this.outbox.drop(spreadTime)) this.#keepSoon(KEEP_MS);',
        'if (this.outbox.drop(storedTime)) this.#keepSoon(KEEP_MS);',
      ],
    ],
  },
  {
    name: 'snapshot without vector',
    focus: 'compaction',
    seed: 1,
    edits: [
      [
        'this.#store.putState({ object, index, state: state.encode() });',
        `(state.vector as Map<string, number>).clear();
      this.#store.putState({ object, index, state: state.encode() });`,
      ],
    ],
  },
  {
    // Of two sums that which knows of more is taken.
    name: 'counter snapshot as a plain number',
    focus: 'compaction',
    seed: 1,
    edits: [
      [
        'body.set(stamp.origin, (body.get(stamp.origin) ?? 0) + numberOf(payload));',
        "body.set('sum', (body.get('sum') ?? 0) + numberOf(payload));\n    void stamp;",
      ],
      [
        '      if ((otherVector.get(origin) ?? 0) > (vector.get(origin) ?? 0)) body.set(origin, sum);',
        '      body.set(origin, sum);',
      ],
    ],
  },
  {
    // An add that the other side has without it stays.
    name: 'remove compacted alone',
    focus: 'compaction',
    seed: 3,
    edits: [
      [
        'const isRemoved = time <= (otherVector.get(origin) ?? 0) && (others?.get(origin) ?? 0) < time;',
        'const isRemoved = others !== undefined && time <= (otherVector.get(origin) ?? 0) && (others.get(origin) ?? 0) < time;',
      ],
    ],
  },
  {
    name: 'position kept across peers',
    focus: 'returning',
    seed: 2,
    edits: [
      ['if (peer !== this.#peer) this.#interests.forgetPositions();', ''],
      [
        'const index = isWhole ? null : this.#records.resolve(position);',
        'const index = isWhole ? null : Math.min(position.index, this.#store.stored);',
      ],
    ],
  },
  {
    name: 'position advanced before `on`',
    focus: 'returning',
    seed: 9,
    edits: [
      [
        'this.#replica.positionText(isInLog ? subscription.next : Math.max(0, subscription.above));',
        'this.#replica.positionText(isInLog ? subscription.next : store.stored);',
      ],
    ],
  },
  {
    name: 'future op refused between peers',
    focus: 'ahead',
    seed: 1,
    edits: [
      [
        "import { StatesSent } from './states-sent.js';\n",
        "import { timeOfMs } from '../../store/stamp.js';\nimport { StatesSent } from './states-sent.js';\n",
      ],
      [
        "const verdict = store.judge(reader);\n        if (verdict === 'gap') {",
        "const verdict = reader.time > timeOfMs(this.#replica.wallMs() + 60_000) ? 'seen' : store.judge(reader);\n        if (verdict === 'gap') {",
      ],
      [
        '      nextChannel: () => {\n        this.#lastChannel',
        '      wallMs: () => this.#self.wallMs(),\n      nextChannel: () => {\n        this.#lastChannel',
      ],
    ],
  },
  {
    name: 'interval not checked',
    focus: 'overdue',
    seed: 1,
    edits: [
      ['objectionToTime: (origin, time) => this.#grants.objectionTo(origin, time),', 'objectionToTime: () => null,'],
    ],
  },
];
