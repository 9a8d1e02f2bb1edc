/**
 * Mistakes that the simulator must notice, each by the failure that its rule prevents: the list of the cache's rules.
 * "A register resent out of order" has no equivalent: home and owner have no ordered channel, and what is late is known
 * by the pair that it names, which is the rule of two other mistakes here.
 */
import type { ProbeKind } from '../../src/testing/simulator/probes.js';
import type { Mutant } from './simulation-mutant.js';

export interface CacheMutant extends Mutant {
  /** The kind of probe that is about its rule; null: long plans show it. */
  readonly probe: ProbeKind | null;
}

export const MUTANTS: readonly CacheMutant[] = [
  {
    name: 'pair not checked by the home',
    probe: 'searching',
    edits: [
      [
        'this.#isRegistered(question, this.#members.get(from)) && this.#homes.homeOf(bucketOf(hash)) === this.#node;',
        'this.#members.has(from) && this.#homes.homeOf(bucketOf(hash)) === this.#node;',
      ],
    ],
  },
  {
    name: 'pair not checked by the claimant',
    probe: 'claims',
    edits: [
      ['        if (!this.#holds(ask)) {\n', '        if (ask.isGranted) {\n'],
      [
        'if (!this.#holds(ask)) this.#discard(key, ask);',
        'if (ask.claim === 0 && !this.#holds(ask)) this.#discard(key, ask);',
      ],
      ['ask?.isGranted === true && this.#holds(ask) ? ask : null', 'ask?.isGranted === true ? ask : null'],
    ],
  },
  {
    name: 'incarnation left out of the view',
    probe: 'flapping',
    edits: [
      ["identity: `${state.incarnation} ${roles.join(' ')}`", "identity: roles.join(' ')"],
      ['if (present.get(node)?.incarnation === known.incarnation) continue;', 'if (present.has(node)) continue;'],
    ],
  },
  {
    name: "home's view number only",
    probe: 'swapping',
    edits: [
      ['      pair.view >= member.view\n', '      pair.view > 0\n'],
      ['if (registeredView < view) this.#unregistered += 1;', 'if (registeredView === 0) this.#unregistered += 1;'],
      [
        'this.#speaksOf(pair, member) && member.registeredView === pair.view;',
        'this.#speaksOf(pair, member) && member.registeredView > 0;',
      ],
    ],
  },
  {
    name: 'release without number',
    probe: 'crowding',
    edits: [['claimed?.owner === from && claimed.claim === claim) this', 'claimed?.owner === from) this']],
  },
  {
    // The number of a key that the home has forgotten begins anew.
    name: 'numbers counted by the home',
    probe: 'crowding',
    edits: [['    return this.#lastClaim;\n', '    return above + 1;\n']],
  },
  {
    // Neither by the owner that is named for it nor by whoever asks that owner.
    name: 'grant lost and not repaired',
    probe: 'resets',
    edits: [
      ['    this.counts.dangling += 1;\n    this.#registration.release(hash, claim);\n', '    void [hash, claim];\n'],
      ["if (message.outcome === 'granted' && !this.#owns(", 'if (message.number < 0 && !this.#owns('],
    ],
  },
  {
    name: '"not mine" taken for missing',
    probe: 'claims',
    edits: [
      [
        '    this.#counts.notMine += 1;\n    const pauseMs',
        `    this.#counts.notMine += 1;
    if (open.request.type === 'get') {
      this.#opens.take(open);
      this.#opens.reply(open, { type: 'missing', id: open.request.id });
      return;
    }
    const pauseMs`,
      ],
    ],
  },
  {
    name: 'dangling owner answers missing with a claim pending',
    probe: 'claims',
    edits: [['if (this.#inquiry.isClaimed(request.key)) {', 'if (message.number < 0) {']],
  },
  {
    name: 'incoming copy answers absent',
    probe: 'leaving',
    edits: [
      ['this.#handover.isGiven(key) || this.#takeover.isIncoming(key);', 'this.#handover.isGiven(key);'],
      // Else the finder and the store would send each other the request for ever.
      ['isIncoming: (key) => takeover.isIncoming(key),', 'isIncoming: () => false,'],
    ],
  },
  {
    name: 'no freeze',
    probe: 'leaving',
    edits: [['this.#handover.isGiven(key) || this.#takeover', 'this.#takeover']],
  },
  {
    name: 'registration duty ends at the transfer',
    probe: 'leaving',
    edits: [
      [
        '    for (const key of keys) this.#given.set(key, batch);\n',
        `    for (const key of keys) {
      this.#given.set(key, batch);
      this.#owned.remove(key);
    }
`,
      ],
      [
        '        this.counts.handoversRefused += 1;\n',
        '        this.counts.handoversRefused += 1;\n        this.#host.claimAnew(key);\n',
      ],
    ],
  },
  {
    name: 'moved key not reported to searches',
    probe: 'leaving',
    edits: [
      [
        'this.#executor.knows(key) ? this.#node : this.#handover.movedTo(key);',
        'this.#executor.knows(key) ? this.#node : null;',
      ],
    ],
  },
  {
    name: 'records not handed over',
    probe: 'leaving',
    edits: [['recordsOf: (keys) => record.recordsOf(keys)', 'recordsOf: () => []']],
  },
  {
    name: 'retry elsewhere',
    probe: 'parting',
    edits: [
      [
        '        if (isRead(request) && !open.isFollowed) {\n          this.#counts.resent += 1;',
        '        if (open.number > 0) {\n          this.#counts.resent += 1;',
      ],
    ],
  },
  {
    name: 'floor off by one',
    probe: 'claims',
    edits: [['      if (number >= floor) break;\n', '      if (number > floor) break;\n']],
  },
  {
    // The owner that is asked for its stamp knows of no delete.
    name: 'tombstone only at the home',
    probe: 'parting',
    edits: [
      [
        'return entry === undefined ? null : { time: entry.time, origin: entry.origin };',
        'return entry === undefined || entry.isTombstone ? null : { time: entry.time, origin: entry.origin };',
      ],
    ],
  },
  {
    name: 'no tombstone for absent keys',
    probe: 'returning',
    edits: [
      [
        '    this.#bury(key, stamp, nowMs + this.#limits.tombstoneMs, nowMs);\n',
        '    if (existed) this.#bury(key, stamp, nowMs + this.#limits.tombstoneMs, nowMs);\n',
      ],
    ],
  },
  {
    name: 'recovered entries served at once',
    probe: 'returning',
    edits: [['if (this.#awaitsHomes && this.#executor.knows(key)) return true;\n', '']],
  },
  {
    name: 'merge without freeze',
    probe: 'parting',
    edits: [['return this.#contest.isFrozen(key) || this.#handover', 'return this.#handover']],
  },
  {
    // One side has nothing any more, and the other one's copy goes.
    name: 'merge drops the last copy',
    probe: 'parting',
    edits: [
      [
        'this.#thaw(owner, number, hash, owner === kept);',
        'this.#thaw(owner, number, hash, owner === kept && owners.size > 1);',
      ],
    ],
  },
  {
    name: 'clock not carried by grants',
    probe: 'clocks',
    edits: [
      [
        '    this.#executor.clock.observe(message.clock);\n    this.#inquiry.onPlace(message);\n',
        '    this.#inquiry.onPlace(message);\n',
      ],
    ],
  },
  {
    name: 'absolute expiry moved',
    probe: 'leaving',
    edits: [['const ttlMs = expiresAtMs === 0 ? 0 : expiresAtMs - nowMs;', 'const ttlMs = expiresAtMs;']],
  },
  {
    name: 'one-way edges',
    probe: 'swapping',
    edits: [
      [
        'if (other?.state.incarnation === announced && other.edges.get(node) === incarnation) others',
        'if (other?.state.incarnation === announced) others',
      ],
    ],
  },
  {
    name: 'constant hop limit',
    probe: null,
    edits: [['return Math.min(this.members.size, HOPS_MAX);', 'return 3;']],
  },
  {
    name: 'database not exchanged on heal',
    probe: 'parting',
    edits: [
      [
        '      if (state.node !== this.#identity.node) link.tell(linksOf(state), this.#self.ref);\n',
        '      void state;\n',
      ],
    ],
  },
  {
    name: 'client served before joined',
    probe: 'starting',
    edits: [['...forCacheRequests(on.onRequestTooEarly)', '...forCacheRequests(on.onRequest)']],
  },
  {
    name: 'change without stamp order',
    probe: 'watching',
    edits: [
      [
        "const order = kind === 'merge' ? 'newer' : this.#latest.see(key, { time, origin });",
        "const order = 'newer' as 'newer' | 'older' | 'unsure';",
      ],
    ],
  },
  {
    name: 'echo counted wrong',
    probe: 'searching',
    edits: [
      ['search.done = owner !== null || search.waiting === 0;', 'search.done = owner !== null || search.waiting <= 1;'],
    ],
  },
  {
    name: 'stamp comparison reversed',
    probe: 'returning',
    edits: [['return a.time < b.time ? -1 : 1;', 'return a.time < b.time ? 1 : -1;']],
  },
];
