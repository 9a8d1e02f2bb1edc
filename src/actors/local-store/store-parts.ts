/** The parts of the local store, and what each of them needs of the others. */
import { ExecutionRecord } from '../../store/execution-record.js';
import { KeyHasher } from '../../store/key-hash.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import type { CacheRequest, ClientReply, Key } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import { Alarm } from '../alarm.js';
import { isRead } from '../cache-request.js';
import type { LocalStoreMessage, Room } from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';
import type { Identity, NodeDisk, Settings } from '../settings.js';
import { Contest } from './contest.js';
import { Executor } from './executor.js';
import { ForwardedRequests } from './forwarded-requests.js';
import { Handover } from './handover.js';
import { HeldRequests } from './held-requests.js';
import { Inquiry } from './inquiry.js';
import { KeptEntries } from './kept-entries.js';
import { Registration } from './registration.js';
import type { StoreHost } from './store-host.js';
import { Sweep } from './sweep.js';
import { Takeover } from './takeover.js';
import { Vacancy } from './vacancy.js';

export interface LocalStoreArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  /** Where entries are kept; null: nowhere. */
  readonly disk: NodeDisk | null;
}

export interface StoreParts {
  readonly executor: Executor;
  readonly owned: OwnedKeys;
  readonly registration: Registration;
  readonly vacancy: Vacancy;
  readonly inquiry: Inquiry;
  readonly contest: Contest;
  readonly handover: Handover;
  readonly takeover: Takeover;
  readonly held: HeldRequests;
  readonly forwarded: ForwardedRequests;
  readonly kept: KeptEntries | null;
  readonly sweep: Sweep;
  readonly alarm: Alarm<LocalStoreMessage>;
}

/** `serve` and `passBack` are what the store does with a request of this node that has waited. */
export function createParts(
  self: Self<LocalStoreMessage>,
  { identity, settings, addresses, disk }: LocalStoreArgs,
  {
    serve,
    passBack,
  }: {
    serve(request: CacheRequest, asker: Ref, dueMs: number): void;
    passBack(request: CacheRequest, asker: Ref, deadlineMs: number): void;
  },
): StoreParts {
  const alarm = new Alarm<LocalStoreMessage>(self, { type: 'remind' });
  const hasher = new KeyHasher(identity.hashSecret);
  const record = new ExecutionRecord<ClientReply>();
  const executor = new Executor(identity.node, settings, self, hasher, (key, former) => {
    if (former !== null) registration.release(former.hash, former.claim);
    contest.forget(key);
    handover.forget(key);
    held.resumeLater(key);
  });
  const { keyspace } = executor;
  const { owned } = keyspace;
  const sweep = new Sweep(self, keyspace);
  const host: StoreHost = {
    node: identity.node,
    now: () => self.now(),
    clock: () => executor.clock.last,
    send: (message) => void addresses.router.tell(message, self.ref),
    remindWithin: (ms) => alarm.setBy(self.now() + ms),
    remindBy: (atMs) => alarm.setBy(atMs),
    resume: (key) => held.resume(key),
  };
  const registration = new Registration(host, owned);
  const vacancy = new Vacancy(
    {
      now: host.now,
      remindWithin: host.remindWithin,
      advertise: (freeBytes, freeKeys) =>
        void addresses.router.tell({ type: 'room', freeBytes, freeKeys } satisfies Room, self.ref),
    },
    keyspace,
    settings,
  );
  const isElsewhere = (key: Key): boolean => handover.movedTo(key) !== null || contest.isYielded(key);
  const inquiry: Inquiry = new Inquiry(
    {
      ...host,
      tellLocated: (located) => void addresses.finder.tell(located, self.ref),
      isIncoming: (key) => takeover.isIncoming(key),
      isElsewhere,
    },
    { executor, owned, hasher, registration, vacancy },
    identity.incarnation,
  );
  const contest = new Contest({ ...host, dropped: (key) => handover.forget(key) }, executor, owned, hasher);
  const takeover: Takeover = new Takeover(
    {
      ...host,
      hash: (key) => hasher.hash(key),
      nextClaim: (above) => inquiry.nextClaim(above),
      isUnknown: (key) => !executor.knows(key) && !inquiry.isClaimed(key),
      sizeOf: ({ key, value }) => keyspace.sizeOf(key, value),
      reserve: (bytes) => vacancy.has(bytes) && keyspace.reserve(bytes, 1, self.now()),
      unreserve: (bytes) => keyspace.unreserve(bytes, 1),
      activate: ({ copy, hash, claim, expiresAtMs }, records) => {
        const { key, value, time, origin } = copy;
        executor.clock.observe(time);
        executor.restore(key, value, { time, origin }, expiresAtMs);
        if (executor.knows(key)) owned.put(key, hash, claim);
        // Its time has come, or there are too many tombstones.
        else registration.release(hash, claim);
        for (const executed of records) record.adopt(executed);
        sweep.plan();
      },
    },
    registration,
  );
  const handover = new Handover(
    {
      ...host,
      log: self.log,
      copyOf: (key, claim) =>
        contest.isFrozen(key) || owned.claimOf(key) !== claim ? null : executor.copyOf(key, claim),
      recordsOf: (keys) => record.recordsOf(keys),
      claimAnew: (key) => owned.put(key, hasher.hash(key), inquiry.nextClaim()),
      drop: (key) => {
        // The home's table names the other owner already: there is nothing to release.
        owned.remove(key);
        executor.giveUp(key);
        contest.forget(key);
      },
      incomingCount: () => takeover.count,
      entryCount: () => keyspace.count - executor.tombstoneCount,
      emptied: (end) => void addresses.node.tell(end, self.ref),
    },
    owned,
    settings.drainMs,
    identity.incarnation,
  );
  const held = new HeldRequests(
    {
      ...host,
      serve: ({ request, asker, forward, deadlineMs, isRetry, isPassedBack }) => {
        if (isPassedBack) passBack(request, asker as Ref, deadlineMs);
        else if (forward === null) serve(request, asker as Ref, deadlineMs);
        else if (isRetry) forwarded.retry({ forward, deadlineMs });
        else forwarded.judge(forward, deadlineMs);
      },
      refuse: (request, refusal) => {
        // The finder waits for it, and refuses it itself: its time is over.
        if (request.isPassedBack) passBack(request.request, request.asker as Ref, request.deadlineMs);
        else if (request.forward !== null) forwarded.refuse(request.forward, request, refusal);
        else request.asker?.tell(refusal, self.ref);
      },
    },
    { executor, contest, handover, takeover },
  );
  const forwarded = new ForwardedRequests(
    {
      ...host,
      isLeaving: () => self.status === 'draining',
      isElsewhere,
      executed: (request) => {
        sweep.plan();
        if (!isRead(request)) vacancy.advertise();
      },
      tellAbsent: (absent) => void addresses.finder.tell(absent, self.ref),
    },
    { executor, held, inquiry, hasher, record },
    settings,
  );
  const nextClaim = (): number => inquiry.nextClaim();
  const kept =
    disk === null ? null : new KeptEntries(self, { executor, owned, hasher, nextClaim }, disk, settings.lossWindowMs);
  const parts = { executor, owned, registration, vacancy, inquiry, contest, handover, takeover };
  return { ...parts, held, forwarded, kept, sweep, alarm };
}
