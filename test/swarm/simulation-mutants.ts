/** Mistakes that the simulator must notice, each by the failure that its rule prevents (RULES names them). */
import type { Mutant } from './simulation-mutant.js';

export const MUTANTS: readonly Mutant[] = [
  {
    name: '"not mine" taken for missing',
    file: 'actors/finder.ts',
    edits: [
      [
        '    this.#counts.notMine += 1;\n',
        `    this.#counts.notMine += 1;
    if (open.request.type === 'get') {
      this.#take(open);
      open.asker.tell({ type: 'missing', id: open.request.id }, this.#self.ref);
      return;
    }
`,
      ],
    ],
  },
  {
    name: 'constant hop limit',
    file: 'store/topology.ts',
    edits: [['return Math.min(this.members.size, HOPS_MAX);', 'return 3;']],
  },
  {
    name: 'echo counted wrong',
    file: 'store/search-table.ts',
    edits: [
      ['search.done = owner !== null || search.waiting === 0;', 'search.done = owner !== null || search.waiting <= 1;'],
    ],
  },
  {
    name: 'release without number',
    file: 'actors/directory.ts',
    edits: [['claimed?.owner === from && claimed.claim === claim', 'claimed?.owner === from']],
  },
  {
    name: 'pair not checked by the claimant',
    file: 'actors/local-store/inquiry.ts',
    edits: [
      ['        if (!this.#holds(ask)) {\n', '        if (ask.isGranted) {\n'],
      ['ask?.isGranted === true && this.#holds(ask) ? ask : null', 'ask?.isGranted === true ? ask : null'],
    ],
  },
  {
    name: 'stamp comparison reversed',
    file: 'store/stamp.ts',
    edits: [['return a.time < b.time ? -1 : 1;', 'return a.time < b.time ? 1 : -1;']],
  },
];
