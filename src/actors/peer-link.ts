/**
 * A peer link: the way to one neighbour. It dials and redials (or was accepted), greets, keeps the heart beating, and
 * carries messages between the router and the wire. A link that was dialled survives its connections; at any time it
 * holds at most one.
 *
 * Invariants: nothing passes before both ends have greeted and this node's router has adopted the link; a silent link is
 * dead after `heartbeatTimeoutMs`; whatever a neighbour does wrong closes its link with a named reason and no more.
 */
import type { NodeId } from '../store/node-id.js';
import { parseNodeId } from '../store/node-id.js';
import { isIncarnation } from '../store/topology.js';
import type { Link, LinkHandler } from '../transport/link.js';
import { CLOSE, forRouted, refused, PROTOCOL_MAX, PROTOCOL_MIN } from '../transport/message.js';
import type { LinkMessage, Malformed, MessageOf, Relay, RoutedMessage } from '../transport/message.js';
import type { NodeWire } from '../transport/wire.js';
import type { Addresses } from './addresses.js';
import type {
  BadFrame,
  Congested,
  Gone,
  LinkDown,
  LinkUp,
  NameTaken,
  PeerLinkMessage,
  RouterMessage,
  Spurned,
} from './message.js';
import { peerLinkMachine } from './peer-link-machine.js';
import type { PeerLinkEvent } from './peer-link-machine.js';
import { defineKind, drop, stash } from './runtime/kind.js';
import type { Ref, Self, TimerId } from './runtime/kind.js';
import { SKEW_MS_MAX } from './settings.js';
import type { Identity, NodeEnv, Settings } from './settings.js';
import type { SparseLog } from './sparse-log.js';

export interface PeerLinkArgs {
  readonly env: NodeEnv;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  /** What to dial, or the connection that was accepted. */
  readonly start:
    | { readonly url: string }
    /** `handle` takes the handler of the connection, before `spawn` returns. */
    | { readonly link: Link; readonly handle: (handler: LinkHandler) => void };
  readonly counts: LinkCounts;
  /** For refusals of what was accepted: whoever dials comes again. */
  readonly refusals: SparseLog;
}

/** Counted by all links of a node together; accepted ones come and go. */
export interface LinkCounts {
  /** Connections that did not become links. */
  turnedAway: number;
  dials: number;
  dialsFailed: number;
  up: number;
  lost: number;
  refused: number;
  silent: number;
  congested: number;
  malformed: number;
  badFrames: number;
}

/** What a link passes on between its neighbour and the router. */
type Passing = MessageOf<'links' | 'search' | 'echo'> | RoutedMessage | Relay;

const DIAL_TIMEOUT_MS = 5000;
const GREET_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 1000;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 10_000;
/** A neighbour that already has a link to this node, or refuses it for what it is, is asked again only so often. */
const REFUSED_BACKOFF_MS = 10_000;
/** Messages that may come before the router's word, which takes one turn. */
const EARLY_MAX = 16_384;
/**
 * Part of the backlog beyond which a link takes nothing more that can be asked for again. The rest is for what keeps the
 * swarm together: a full link is closed (LM5), and with it nodes may be lost.
 */
const CONGESTED_SHARE = 1 / 2;
const RETRY_AFTER_MS = 100;
/** Different reasons for which a link does not come up, each told once. */
const REASONS_MAX = 16;
const STOPPING = 'the node stops';
const SPURNED_TEXT = {
  duplicate: 'there is a link already',
  replaced: 'replaced by another link',
  full: 'this node has as many links as it may announce',
} as const;

interface Neighbour {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly name: string;
  readonly protocol: number;
}

export class PeerLink {
  readonly #self: Self<PeerLinkMessage, PeerLinkEvent>;
  readonly #args: PeerLinkArgs;
  readonly #url: string | null;
  #wire: NodeWire | null = null;
  #dial: { cancel(): void } | null = null;
  #neighbour: Neighbour | null = null;
  /** Of the present connection or, while there is none, of the last one. */
  #remote = '';
  #greetedName: string | null = null;
  /** The router was asked to adopt the link, and has not refused: it is to be told when the link is gone. */
  #isOffered = false;
  /** Failed attempts in a row. */
  #failures = 0;
  #isRefused = false;
  #isUp = false;
  /** Why it went down, and whether that is as it should be. */
  #loss = { reason: '', isInOrder: false };
  /** What the log was told of since the link was up last: once each, not with every attempt. */
  readonly #told = new Set<string>();
  /** What came after `linked` and before the router's word. */
  #early: Passing[] = [];
  readonly #congestedBytes: number;
  #hasHeard = false;
  #hasSent = false;
  #lastHeardMs = 0;
  #tickDueMs = 0;
  #isSelf = false;
  #heart: TimerId | null = null;

  constructor(self: Self<PeerLinkMessage, PeerLinkEvent>, args: PeerLinkArgs) {
    this.#self = self;
    this.#args = args;
    this.#congestedBytes = args.settings.backlogBytesMax * CONGESTED_SHARE;
    if ('url' in args.start) {
      this.#url = args.start.url;
      self.signal('dial');
    } else {
      this.#url = null;
      args.start.handle(this.#open(args.start.link));
      self.signal('accept');
    }
  }

  // Delays

  get backoffMs(): number {
    if (this.#isRefused) return REFUSED_BACKOFF_MS;
    // Full jitter: nodes that lost the same neighbour do not come back in step.
    const limitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 10));
    return BACKOFF_MIN_MS / 2 + this.#self.random.below(limitMs);
  }

  // Commands

  dial(): void {
    const { env, settings, counts } = this.#args;
    counts.dials += 1;
    this.#isRefused = false;
    this.#dial = env.bus.dial(
      this.#url as string,
      {
        linkSecret: settings.linkSecret,
        tlsCaFile: settings.tlsCaFile,
        proxy: settings.proxy,
        timeoutMs: DIAL_TIMEOUT_MS,
        frameBytesMax: settings.linkFrameBytesMax,
        backlogBytesMax: settings.backlogBytesMax,
      },
      (link) => {
        const handler = this.#open(link);
        this.#self.signal('opened');
        return handler;
      },
      (reason) => {
        this.#noteFailure(reason, false);
        this.#self.signal('failed');
      },
    );
  }

  giveUpDialling(): void {
    this.#dial?.cancel();
  }

  greet(): void {
    const { identity } = this.#args;
    const info = {
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_MAX,
      version: identity.version,
      swarm: identity.swarm,
      id: identity.node,
      name: identity.name,
      incarnation: identity.incarnation,
      wallMs: this.#self.wallMs(),
    };
    this.#send({ type: 'greet', info });
  }

  giveUpGreeting(): PeerLinkEvent {
    return this.#giveUp(CLOSE.helloTimeout, 'no greeting in time');
  }

  watchHeart(): void {
    this.#args.counts.up += 1;
    this.#failures = 0;
    this.#isUp = true;
    this.#loss = { reason: 'this node stops', isInOrder: true };
    this.#told.clear();
    this.#lastHeardMs = this.#self.now();
    this.#self.log('info', 'link up', { neighbour: this.#neighbour?.name, remote: this.#wire?.remote });
    this.#beatLater();
  }

  leaveSwarm(): void {
    if (this.#heart !== null) this.#self.cancel(this.#heart);
    this.#args.counts.lost += 1;
    this.#isUp = false;
    const neighbour = this.#neighbour as Neighbour;
    const { reason, isInOrder } = this.#loss;
    this.#self.log(isInOrder ? 'info' : 'warn', 'link down', { neighbour: neighbour.name, reason });
    this.#leaveRouter();
  }

  hangUp(): void {
    this.#wire?.close(CLOSE.goingAway, STOPPING);
  }

  cut(): void {
    this.#wire?.close(CLOSE.goingAway, STOPPING);
    this.#wire = null;
  }

  // From the neighbour

  onGreet({ info }: MessageOf<'greet'>): PeerLinkEvent | void {
    const { identity } = this.#args;
    // Who is there can't change: the router knows the link by it.
    if (this.#neighbour !== null) return this.#giveUp(CLOSE.badFrame, 'greet out of turn');
    const neighbour = parseGreeting(info);
    this.#greetedName = neighbour?.name ?? null;
    if (neighbour === null) return this.#giveUp(CLOSE.badFrame, 'malformed greeting');
    if (neighbour.node === identity.node) {
      this.#isSelf = neighbour.incarnation === identity.incarnation;
      if (this.#isSelf && this.#url !== null) {
        this.#self.log('warn', 'this link leads back to this node; not dialled again', { url: this.#url });
      }
      return this.#refuse(CLOSE.nameTaken, 'link to oneself, or another node with this id');
    }
    if (info['swarm'] !== identity.swarm) {
      return this.#refuse(CLOSE.forbidden, `another swarm: ${String(info['swarm'])}, here ${identity.swarm}`);
    }
    if (neighbour.protocol === 0) return this.#refuse(CLOSE.forbidden, 'no common protocol version');
    if (Math.abs(Number(info['wallMs']) - this.#self.wallMs()) > SKEW_MS_MAX) {
      return this.#refuse(CLOSE.forbidden, 'CLOCK: the clocks of the two nodes differ by more than a day');
    }
    if (neighbour.name === identity.name) {
      const isYounger =
        identity.incarnation > neighbour.incarnation ||
        (identity.incarnation === neighbour.incarnation && identity.node > neighbour.node);
      if (isYounger) {
        const taken: NameTaken = { type: 'nameTaken', by: neighbour.node };
        this.#args.addresses.node.tell(taken, this.#self.ref);
      }
      return this.#refuse(CLOSE.nameTaken, `the name ${identity.name} is taken by another node`);
    }
    this.#neighbour = neighbour;
    // The listening end waits for `linked`: only the dialling end knows whether it wants this link.
    if (this.#url !== null) this.#askRouter(neighbour);
  }

  onLinked(): PeerLinkEvent | void {
    if (this.#neighbour === null || this.#url !== null || this.#isOffered) {
      return this.#giveUp(CLOSE.badFrame, 'linked out of turn');
    }
    this.#askRouter(this.#neighbour);
  }

  /** The dialling end may send as soon as it has said `linked`. What comes before that is not kept for anybody. */
  onEarly(message: Passing): PeerLinkEvent | void {
    if (!this.#isOffered || this.#early.length >= EARLY_MAX) return this.onUnexpected(message);
    this.#early.push(message);
  }

  /** Between a neighbour and the router, whichever it comes from. */
  onPassing(message: Passing, from: Ref): void {
    if (from !== this.#router) {
      this.#hasHeard = true;
      this.#router.tell(message, this.#self.ref);
    } else if (this.#wire !== null && this.#wire.bufferedBytes > this.#congestedBytes) this.#sendCongested(message);
    else this.#send(message);
  }

  onBeat(): void {
    this.#hasHeard = true;
  }

  onMalformed({ code, reason }: Malformed): PeerLinkEvent | void {
    this.#args.counts.malformed += 1;
    // What a newer version says beyond this one's table is no fault.
    if (code === 'UNSUPPORTED') return;
    return this.#giveUp(CLOSE.badFrame, reason);
  }

  onBadFrame({ reason }: BadFrame): PeerLinkEvent {
    this.#args.counts.badFrames += 1;
    return this.#giveUp(CLOSE.badFrame, reason);
  }

  onUnexpected(message: { readonly type: string }): PeerLinkEvent {
    return this.#giveUp(CLOSE.badFrame, `${message.type} out of turn`);
  }

  onGone({ code, reason }: Gone): PeerLinkEvent {
    this.#wire = null;
    this.#leaveRouter();
    if (this.#isSelf) return 'ended';
    if (code === CLOSE.nameTaken || code === CLOSE.forbidden) this.#isRefused = true;
    const isInOrder = code === CLOSE.normal || (code === CLOSE.goingAway && reason === STOPPING);
    this.#noteFailure(closingText(code, reason), isInOrder);
    return this.#url === null ? 'ended' : 'lost';
  }

  // From the router

  onAdopted(): PeerLinkEvent | void {
    // The word on a connection that was lost meanwhile.
    if (!this.#isOffered) return;
    const { protocol } = this.#neighbour as Neighbour;
    if (this.#url !== null) this.#send({ type: 'linked', protocol });
    for (const message of this.#early) this.#router.tell(message, this.#self.ref);
    this.#early = [];
    return 'greeted';
  }

  onSpurned({ reason }: Spurned): PeerLinkEvent {
    this.#isOffered = false;
    return this.#refuse(CLOSE.normal, SPURNED_TEXT[reason]);
  }

  onTick(): PeerLinkEvent | void {
    const nowMs = this.#self.now();
    // While this node stood still it could not hear: that says nothing about the neighbour.
    this.#lastHeardMs += nowMs - this.#tickDueMs;
    if (this.#hasHeard) this.#lastHeardMs = nowMs;
    this.#hasHeard = false;
    if (nowMs - this.#lastHeardMs >= this.#args.settings.heartbeatTimeoutMs) {
      this.#args.counts.silent += 1;
      return this.#giveUp(CLOSE.goingAway, 'no heartbeat');
    }
    if (!this.#hasSent) this.#send({ type: 'beat' });
    this.#hasSent = false;
    this.#beatLater();
  }

  flush(): void {
    this.#wire?.flush();
  }

  /** However it ends, the connection does not outlive it, and nobody counts on it. */
  end(): void {
    this.#dial?.cancel();
    this.#leaveRouter();
    this.cut();
  }

  get #router(): Ref<RouterMessage> {
    return this.#args.addresses.router;
  }

  #open(link: Link): LinkHandler {
    const { env, identity, settings } = this.#args;
    // What another node lets its clients store may be larger than what this one does: the frame is the bound here.
    const bytesMax = settings.linkFrameBytesMax;
    this.#neighbour = null;
    this.#remote = link.remote;
    this.#greetedName = null;
    this.#early = [];
    const { ref } = this.#self;
    // Frames of a connection that was given up say nothing to this link any more.
    const isPresent = (): boolean => this.#wire === opened.wire;
    const opened = env.wires.node(
      link,
      identity.node,
      { keyBytesMax: bytesMax, valueBytesMax: bytesMax },
      {
        onMessage: (message) => void (isPresent() && ref.tell(message, ref)),
        onBadFrame: (reason) => void (isPresent() && ref.tell({ type: 'badFrame', reason }, ref)),
        onWritable: () => {},
        onClosed: (code, reason) => void (isPresent() && ref.tell({ type: 'gone', code, reason }, ref)),
      },
    );
    this.#wire = opened.wire;
    return opened.handler;
  }

  #leaveRouter(): void {
    if (!this.#isOffered) return;
    this.#isOffered = false;
    const { node } = this.#neighbour as Neighbour;
    this.#router.tell({ type: 'linkDown', node } satisfies LinkDown, this.#self.ref);
  }

  #askRouter({ node, incarnation }: Neighbour): void {
    this.#isOffered = true;
    const up: LinkUp = { type: 'linkUp', node, incarnation, isDialled: this.#url !== null };
    this.#router.tell(up, this.#self.ref);
  }

  #beatLater(): void {
    this.#tickDueMs = this.#self.now() + this.#args.settings.heartbeatMs;
    this.#heart = this.#self.after(this.#args.settings.heartbeatMs, { type: 'tick' });
  }

  #send(message: LinkMessage | RoutedMessage | Relay): void {
    this.#hasSent = true;
    this.#wire?.send(message);
    this.#self.flushLater();
  }

  /** Too much is unsent (LM9). */
  #sendCongested(message: Passing): void {
    const { identity, addresses, counts } = this.#args;
    switch (message.type) {
      case 'forward':
        counts.congested += 1;
        // A home's, for another node, is asked for again by that one.
        if (message.from === identity.node) {
          addresses.finder.tell({ type: 'congested', number: message.number } satisfies Congested, this.#self.ref);
        }
        return;
      case 'answer': {
        const { type, id } = message.message;
        // All others are small, and of a change it is to be known whether it was made.
        if (type !== 'value') return this.#send(message);
        counts.congested += 1;
        const text = 'the way from the node that stores the key is full; try again';
        return this.#send({ ...message, message: refused(id, 'BUSY', text, { retryAfterMs: RETRY_AFTER_MS }) });
      }
      case 'relay':
        if (!message.isDroppable) return this.#send(message);
        counts.congested += message.count;
        return;
      case 'changed':
        counts.congested += 1;
        return;
      default:
        this.#send(message);
    }
  }

  /** Closes the connection. What follows depends on who dialled. */
  #giveUp(code: number, reason: string): PeerLinkEvent {
    const wire = this.#wire;
    this.#wire = null;
    wire?.close(code, reason);
    this.#leaveRouter();
    this.#noteFailure(reason, code === CLOSE.normal || this.#isSelf);
    return this.#url === null || this.#isSelf ? 'ended' : 'lost';
  }

  #refuse(code: number, reason: string): PeerLinkEvent {
    this.#args.counts.refused += 1;
    this.#isRefused = true;
    return this.#giveUp(code, reason);
  }

  /** In order is also a link that is one too many. */
  #noteFailure(reason: string, isInOrder: boolean): void {
    this.#failures += 1;
    // `leaveSwarm` tells of it.
    if (this.#isUp) {
      this.#loss = { reason, isInOrder };
      return;
    }
    if (this.#url !== null) this.#args.counts.dialsFailed += 1;
    if (isInOrder || this.#told.has(reason) || this.#told.size >= REASONS_MAX) return;
    this.#told.add(reason);
    if (this.#url !== null) this.#self.log('warn', 'no link', { url: this.#url, reason });
    else this.#tellRefused(reason);
  }

  #tellRefused(reason: string): void {
    const remote = this.#remote.replace(/:\d+$/, '');
    const name = this.#greetedName === null ? {} : { neighbour: this.#greetedName };
    this.#args.refusals.say('warn', 'link refused', { remote, ...name, reason });
  }
}

/** No close frame has this code: it stands for a connection that broke. */
const BROKEN = 1006;

const closingText = (code: number, reason: string): string =>
  code === BROKEN ? 'the connection broke' : `closed by the other end: ${code}${reason === '' ? '' : ` ${reason}`}`;

const parseGreeting = (info: Readonly<Record<string, unknown>>): Neighbour | null => {
  const { id, incarnation, name, protocolMin, protocolMax, wallMs } = info;
  const node = typeof id === 'string' ? parseNodeId(id) : null;
  if (node === null || typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(name)) return null;
  if (!isIncarnation(incarnation)) return null;
  if (!Number.isSafeInteger(protocolMin) || !Number.isSafeInteger(protocolMax)) return null;
  if (!Number.isFinite(wallMs)) return null;
  const common = Math.min(PROTOCOL_MAX, protocolMax as number);
  const protocol = common >= PROTOCOL_MIN && common >= (protocolMin as number) ? common : 0;
  return { node, incarnation, name, protocol };
};

const on = PeerLink.prototype;
const idle = {
  greet: drop,
  linked: drop,
  beat: drop,
  links: drop,
  search: drop,
  echo: drop,
  ...forRouted(drop),
  relay: drop,
  malformed: drop,
  badFrame: drop,
  gone: drop,
  adopted: drop,
  spurned: drop,
  tick: drop,
} as const;

export const peerLinkKind = defineKind({
  name: 'peer-link',
  machine: peerLinkMachine,
  create: (self: Self<PeerLinkMessage, PeerLinkEvent>, args: PeerLinkArgs) => new PeerLink(self, args),
  tables: {
    starting: { ...idle, greet: stash, gone: stash, malformed: stash, badFrame: stash },
    dialling: idle,
    greeting: {
      ...idle,
      greet: on.onGreet,
      linked: on.onLinked,
      links: on.onEarly,
      search: on.onEarly,
      echo: on.onEarly,
      ...forRouted(on.onEarly),
      relay: on.onEarly,
      malformed: on.onMalformed,
      badFrame: on.onBadFrame,
      gone: on.onGone,
      adopted: on.onAdopted,
      spurned: on.onSpurned,
    },
    up: {
      greet: on.onUnexpected,
      linked: on.onUnexpected,
      beat: on.onBeat,
      links: on.onPassing,
      search: on.onPassing,
      echo: on.onPassing,
      ...forRouted(on.onPassing),
      relay: on.onPassing,
      malformed: on.onMalformed,
      badFrame: on.onBadFrame,
      gone: on.onGone,
      adopted: drop,
      spurned: on.onSpurned,
      tick: on.onTick,
    },
    backoff: idle,
    draining: { ...idle, gone: on.onGone },
    closed: idle,
  },
  commands: {
    dial: on.dial,
    giveUpDialling: on.giveUpDialling,
    greet: on.greet,
    giveUpGreeting: on.giveUpGreeting,
    watchHeart: on.watchHeart,
    leaveSwarm: on.leaveSwarm,
    hangUp: on.hangUp,
    cut: on.cut,
  },
  delays: {
    greetTimeout: GREET_TIMEOUT_MS,
    backoff: (link: PeerLink) => link.backoffMs,
    closeTimeout: CLOSE_TIMEOUT_MS,
  },
  mailbox: {
    capacity: 1 << 20,
    overflow: { links: 'never', gone: 'never', adopted: 'never', spurned: 'never', tick: 'never', badFrame: 'never' },
  },
  onFlush: on.flush,
  onEnd: on.end,
  // A neighbour is not given up for a fault on this side.
  supervision: { on: 'restart', backoffMs: 1000, backoffMaxMs: 30_000, restartsMax: 10, withinMs: 600_000 },
});
