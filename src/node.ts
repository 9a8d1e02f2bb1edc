/**
 * Starts nodes: puts the actors, the real network and the real clock together. `bootNode` is the part that an embedded
 * swarm under virtual time shares with a process of its own.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { nodeKind } from './actors/node.js';
import type { NodeEnd } from './actors/node.js';
import type { NodeMessage } from './actors/message.js';
import type { Ref } from './actors/runtime/kind.js';
import { nodeEnv } from './actors/runtime/env-node.js';
import type { Env, Log } from './actors/runtime/env.js';
import { createRuntime } from './actors/runtime/runtime.js';
import type { Runtime, RuntimeOptions } from './actors/runtime/runtime.js';
import { DEFAULT_SETTINGS } from './actors/settings.js';
import type { Identity, NodeDisk, NodeEnv, Settings } from './actors/settings.js';
import { checkOptions } from './client/option-names.js';
import { isUrl } from './client/url-list.js';
import type { NodeRecord, OpenEntryDisk } from './disk/entry-disk.js';
import { lmdbDisk } from './disk/lmdb-disk.js';
import { lmdbOpDisks } from './disk/lmdb-op-disk.js';
import { MemoryOpDisks } from './disk/memory-op-disk.js';
import { nodePage } from './node-page.js';
import { drawNodeId, parseNodeId } from './store/node-id.js';
import { isLoopback } from './transport/admission.js';
import { dial } from './transport/dial.js';
import type { Answer, Listener } from './transport/link.js';
import { createListen } from './transport/listen.js';
import { listenUrl, reachedAt } from './transport/link-url.js';
import { wires } from './transport/wire.js';
import { VERSION } from './version.js';

export interface NodeOptions extends Settings {
  /** Serves clients beyond loopback without a token. */
  readonly open: boolean;
  /** Which WebSocket listener to use; null takes uWebSockets.js and, where that can't be loaded, ws. */
  readonly listener: 'uws' | 'ws' | null;
  /** Directory in which the node keeps its entries and its id; null keeps nothing. */
  readonly dataDir: string | null;
}

export interface RunningNode {
  readonly id: string;
  readonly name: string;
  /** Where clients connect. */
  readonly urls: readonly string[];
  readonly listenerKind: string;
  /** Resolves when it has joined its swarm and serves clients; never, if it ends before. */
  readonly serving: Promise<void>;
  /** Resolves when it leaves and has handed over what it could; never, if it ends before. */
  readonly emptied: Promise<void>;
  /**
   * Leaves in order; resolves when all is closed. A second call joins the first. It stays, and relays for others that leave,
   * until `isFree` is settled, but not longer than its `drainMs`.
   */
  stop(isFree?: Promise<void>): Promise<NodeEnd>;
  /** The node has ended, whoever asked for it. */
  readonly stopped: Promise<NodeEnd>;
}

export interface Boot {
  readonly env: NodeEnv;
  readonly settings: Settings;
  /** For the page at `/`: the bundle of the client, or null to go without. */
  readonly clientScript: string | null;
  readonly runtimeOptions?: RuntimeOptions;
  readonly onListening: (listeners: readonly Listener[], linkListener: Listener | null) => void;
  readonly onRunning: () => void;
  /** See NodeArgs; a node without it goes when it is emptied. */
  readonly onEmptied?: (go: () => void) => void;
  readonly onEnd: (end: NodeEnd) => void;
}

/** A node in its runtime. */
export interface BootedNode {
  readonly identity: Identity;
  readonly runtime: Runtime;
  readonly node: Ref<NodeMessage>;
  /** Dials one more neighbour. */
  dial(url: string): void;
  /** Leaves in order. The reason is given if entries have changed that the disk does not have so. */
  stop(onDone: (notKept: string | null) => void): void;
}

/**
 * Opens the disk of a node and keeps on it who the node is from now on: the id that it had, or a new one, and an
 * incarnation above the last. Nobody hears of the node before that is written.
 */
export const openDisk = (
  open: OpenEntryDisk,
  env: Env,
  swarm: string,
  opened: (disk: NodeDisk) => void,
  failed: (reason: string) => void,
): void => {
  open(
    swarm,
    (entries) => {
      const record = nextRecord(env, swarm, entries.record);
      entries.write({ puts: [], removes: [], record }, (fault) => {
        if (fault === null) opened({ entries, record });
        else entries.close(() => failed(`the disk can't be written (${fault}): make room, or use another directory`));
      });
    },
    failed,
  );
};

/** Nothing has happened when it returns: the first turn starts the node. */
export const bootNode = (boot: Boot): BootedNode => {
  const { env, settings } = boot;
  const { name, swarm } = settings;
  const { node: id, incarnation } = env.disk?.record ?? nextRecord(env, swarm, null);
  const hashSecret = hashSecretOf(swarm, settings.linkSecret);
  const identity: Identity = { node: id, incarnation, name, swarm, version: VERSION, hashSecret };
  const health = { isRunning: false };
  const runtime = createRuntime(env, { stopTimeoutMs: settings.drainMs + STOP_MARGIN_MS, ...boot.runtimeOptions });
  const node = runtime.spawn(nodeKind, 'node', {
    env,
    identity,
    settings,
    isToken: settings.token === null ? null : tokenCheck(settings.token),
    answer: answerHttp(identity, boot.clientScript, health),
    reachedAt: (listeners) => reachedAt(listeners, settings.tls !== null),
    onListening: boot.onListening,
    onRunning: () => {
      health.isRunning = true;
      boot.onRunning();
    },
    onEmptied: boot.onEmptied ?? null,
    onEnd: (end) => {
      health.isRunning = false;
      boot.onEnd(end);
    },
    actors: () => runtime.tree(),
    runtimeCounters: () => {
      const { dropped, ...counters } = runtime.counters;
      return {
        ...counters,
        droppedOverflow: dropped.overflow,
        droppedDecision: dropped.decision,
        droppedRefused: dropped.refused,
      };
    },
  });
  return {
    identity,
    runtime,
    node,
    dial: (url) => void node.tell({ type: 'dial', url }),
    stop: (onDone) =>
      runtime.shutdown(() => {
        if (env.disk === null) onDone(null);
        else env.disk.entries.close(onDone);
      }),
  };
};

/**
 * Starts a node in this process, with the default of each option that is not given (DEFAULT_SETTINGS; not open; the
 * listener that loads). Rejects with an Error of code `STARTUP` whose message is one line that says what to do, or with a
 * TypeError for an option that does not exist. Resolves
 * as soon as it listens; it serves clients when it has joined its swarm.
 */
export const startNode = (
  given: Partial<NodeOptions> = {},
  log: Log = () => {},
  clientScript: string | null = null,
): Promise<RunningNode> =>
  new Promise((resolve, reject) => {
    const defaults: NodeOptions = { ...DEFAULT_SETTINGS, open: false, listener: null, dataDir: null };
    checkOptions('startNode', given, Object.keys(defaults));
    const options: NodeOptions = { ...defaults, ...given };
    const exposed = options.listen.find(({ host }) => !isLoopback(host));
    if (exposed !== undefined && options.token === null && !options.open) {
      const reason = `${exposed.host} is beyond loopback, and no client token is set: give a token, or { open: true }`;
      reject(Object.assign(new Error(reason), { code: 'STARTUP' }));
      return;
    }
    const fail = (reason: string): void => reject(Object.assign(new Error(reason), { code: 'STARTUP' }));
    const clientUrl: unknown = options.clientUrl;
    if (clientUrl !== null && !isUrl(clientUrl)) {
      fail(`clientUrl ${JSON.stringify(clientUrl)} is no address of a node: one looks like ws://127.0.0.1:7101`);
      return;
    }
    const base = nodeEnv({ log });
    const start = (disk: NodeDisk | null): void => {
      const bus = { dial, listen: createListen(options.listener) };
      const opDisks =
        options.dataDir === null
          ? new MemoryOpDisks({ defer: (_delayMs, run) => void setImmediate(run), writeMs: 0 })
          : lmdbOpDisks(join(options.dataDir, DATABASES_FOLDER));
      const env: NodeEnv = { ...base, bus, wires, disk, opDisks };
      bootHere(env, options, clientScript, resolve, fail);
    };
    if (options.dataDir === null) start(null);
    else openDisk(lmdbDisk(options.dataDir), base, options.swarm, start, fail);
  });

const bootHere = (
  env: NodeEnv,
  options: NodeOptions,
  clientScript: string | null,
  started: (node: RunningNode) => void,
  failed: (reason: string) => void,
): void => {
  let open: readonly Listener[] = [];
  let end: NodeEnd = { reason: 'stopped', exitCode: 0 };
  let resolveStopped!: (end: NodeEnd) => void;
  const stopped = new Promise<NodeEnd>((done) => {
    resolveStopped = done;
  });
  const serving = moment();
  const emptied = moment();
  let isFree = Promise.resolve();
  let isClosing = false;
  const close = (): void => {
    if (isClosing) return;
    isClosing = true;
    stop((notKept) => {
      for (const listener of open) listener.terminate();
      if (notKept !== null && end.exitCode === 0) {
        end = { reason: `the last changes are not on disk: ${notKept}`, exitCode: 1 };
      }
      if (open.length === 0) failed(end.reason);
      resolveStopped(end);
    });
  };
  const { identity, stop } = bootNode({
    env,
    settings: options,
    clientScript,
    onListening(listeners, linkListener) {
      open = linkListener === null ? listeners : [...listeners, linkListener];
      started({
        id: identity.node,
        name: identity.name,
        urls: listeners.map((listener) => listenUrl(listener, options.tls !== null)),
        listenerKind: listeners[0]?.kind ?? 'none',
        serving: serving.come,
        emptied: emptied.come,
        stop(given = isFree) {
          isFree = given;
          close();
          return stopped;
        },
        stopped,
      });
    },
    onRunning() {
      env.log('info', 'serving clients', { id: identity.node });
      serving.reach();
    },
    onEmptied(go) {
      emptied.reach();
      isFree.then(go, go);
    },
    onEnd(given) {
      end = given;
      close();
    },
  });
};

/** A point in time to wait for. */
const moment = (): { readonly come: Promise<void>; reach(): void } => {
  let reach!: () => void;
  const come = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return { come, reach };
};

/** Within the data directory. */
const DATABASES_FOLDER = 'databases';

/** The record of a start, given that of the last one. */
const nextRecord = (env: Env, swarm: string, last: NodeRecord | null): NodeRecord => {
  const node = (last === null ? null : parseNodeId(last.node)) ?? drawNodeId(env.random);
  const incarnation = Math.max(env.wallMs(), (last?.incarnation ?? 0) + 1);
  return { node, swarm, incarnation, clock: last?.clock ?? 0, isEmptied: false };
};

/** What the runtime allows beyond the node's own drain before it ends actors that do not. */
const STOP_MARGIN_MS = 2000;

/** Nodes that may link compute the same; clients know the swarm's name at most, and not the link secret. */
const hashSecretOf = (swarm: string, linkSecret: string | null): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(JSON.stringify([swarm, linkSecret]))
      .digest()
      .subarray(0, 16),
  );

/** Digests have one length, so that the comparison tells nothing about the token, not even its length. */
const tokenCheck = (token: string): ((given: string) => boolean) => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return (given) => timingSafeEqual(digest(given), expected);
};

const answerHttp = (identity: Identity, clientScript: string | null, health: { isRunning: boolean }): Answer => {
  const page = nodePage(identity.name, identity.swarm);
  return (_method, path) => {
    switch (path) {
      case '/':
        return { status: 200, type: 'text/html; charset=utf-8', body: page };
      case '/client.js':
        return clientScript === null
          ? null
          : { status: 200, type: 'text/javascript; charset=utf-8', body: clientScript };
      case '/livez':
        return { status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' };
      case '/readyz':
        return health.isRunning
          ? { status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' }
          : { status: 503, type: 'text/plain; charset=utf-8', body: 'joining or leaving\n' };
      default:
        return null;
    }
  };
};
