/**
 * The tunnels of one node: near ends for its clients, whose databases other nodes hold, and far ends for those of others
 * (tunnel.ts). Which message belongs to which, and which have lost the node at their other end.
 */
import type { NodeId } from '../../store/node-id.js';
import { forDatabaseRequests } from '../../transport/message.js';
import type { DatabaseRequest, MessageOf } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { DatabasesMessage, Holders, Severed } from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';
import { TUNNELS_MAX } from '../settings.js';
import type { Identity, Settings } from '../settings.js';
import { farTunnelKind, nearTunnelKind } from './tunnel.js';
import type { TunnelCounts } from './tunnel.js';

interface Tunnel {
  readonly ref: Ref;
  readonly node: NodeId;
  readonly incarnation: number | null;
}

interface TunnelsHost {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** How often a request through a tunnel may take the time that one here may. */
const TUNNEL_PATIENCE = 2;
/** Numbers of one start of a node: above those of its former starts. */
const CHANNELS_PER_MS = 1024;

export class Tunnels {
  readonly #self: Self<DatabasesMessage>;
  readonly #host: TunnelsHost;
  /** Near ends by channel; far ends by node and channel. */
  readonly #near = new Map<number, Tunnel>();
  readonly #far = new Map<string, Tunnel>();
  readonly #farEnds = new Map<Ref, string>();
  readonly #nearEnds = new Map<Ref, number>();
  /** The nodes of the view, with their incarnations. */
  #nodes: Holders['nodes'] = [];
  #lastChannel: number;
  #strays = 0;
  readonly #counts: TunnelCounts = { near: 0, far: 0, broken: 0, misfits: 0, timeouts: 0 };

  constructor(self: Self<DatabasesMessage>, host: TunnelsHost) {
    this.#self = self;
    this.#host = host;
    this.#lastChannel = host.identity.incarnation * CHANNELS_PER_MS;
  }

  /** No client of this node gets one more. */
  get isFull(): boolean {
    return this.#near.size >= TUNNELS_MAX;
  }

  isNearEnd(ref: Ref): boolean {
    return this.#nearEnds.has(ref);
  }

  isFarEnd(ref: Ref): boolean {
    return this.#farEnds.has(ref);
  }

  /** A new one to that node, which begins with the request. Its near end. */
  open({ node, incarnation }: Holders['nodes'][number], request: DatabaseRequest, session: Ref): Ref {
    const { settings } = this.#host;
    this.#lastChannel += 1;
    const channel = this.#lastChannel;
    const timeoutMs = TUNNEL_PATIENCE * settings.requestTimeoutMs;
    const ref = this.#self.spawn(nearTunnelKind, 'near-tunnel', {
      ...this.#lineTo(node, channel),
      session,
      request,
      timeoutMs,
    });
    this.#near.set(channel, { ref, node, incarnation });
    this.#nearEnds.set(ref, channel);
    this.#self.watch(ref);
    return ref;
  }

  onTunnel(message: MessageOf<'tunnel'>): void {
    const { from, channel, sequence, message: inner } = message;
    if (!IS_REQUEST.has(inner.type)) {
      const near = this.#near.get(channel);
      if (near?.node === from) near.ref.tell(message, this.#self.ref);
      else this.#strays += 1;
      return;
    }
    const far = this.#far.get(farName(from, channel));
    if (far !== undefined) return void far.ref.tell(message, this.#self.ref);
    if (sequence === 1 && this.#far.size < TUNNELS_MAX) this.#spawnFar(from, channel).tell(message, this.#self.ref);
    else
      this.#sayOff(message, true, sequence === 1 ? 'the peer has too many tunnels' : 'the peer knows no such tunnel');
  }

  onWord(message: MessageOf<'tunnelBeat' | 'tunnelOff'>): void {
    const { from, channel, isBack } = message;
    const tunnel = isBack ? this.#near.get(channel) : this.#far.get(farName(from, channel));
    if (tunnel?.node === from) tunnel.ref.tell(message, this.#self.ref);
    // The word that it has ended was lost on a broken link.
    else if (message.type === 'tunnelBeat') this.#sayOff(message, !isBack, 'the other end is gone');
    else this.#strays += 1;
  }

  /** Those whose other end is at no node of the view any more break. */
  onNodes(nodes: Holders['nodes']): void {
    this.#nodes = nodes;
    const incarnations = new Map(nodes.map(({ node, incarnation }) => [node, incarnation]));
    for (const { ref, node, incarnation } of [...this.#near.values(), ...this.#far.values()]) {
      const present = incarnations.get(node);
      if (present === undefined || (incarnation !== null && present !== incarnation))
        ref.tell({ type: 'severed' } satisfies Severed, this.#self.ref);
    }
  }

  /** Those who came through a tunnel are to find another peer. */
  stopFar(): void {
    for (const { ref } of this.#far.values()) this.#self.stop(ref);
  }

  /** An end is no more. Whether it was a near one. */
  forget(ref: Ref): boolean {
    const near = this.#nearEnds.get(ref);
    const far = this.#farEnds.get(ref);
    this.#nearEnds.delete(ref);
    this.#farEnds.delete(ref);
    if (near !== undefined) this.#near.delete(near);
    if (far !== undefined) this.#far.delete(far);
    return near !== undefined;
  }

  counters(): { readonly strays: number } & Readonly<Record<string, number>> {
    return {
      strays: this.#strays,
      nearTunnels: this.#near.size,
      farTunnels: this.#far.size,
      tunnelsBroken: this.#counts.broken,
      tunnelMisfits: this.#counts.misfits,
      tunnelTimeouts: this.#counts.timeouts,
    };
  }

  #spawnFar(node: NodeId, channel: number): Ref {
    const ref = this.#self.spawn(farTunnelKind, 'far-tunnel', this.#lineTo(node, channel));
    const name = farName(node, channel);
    const incarnation = this.#nodes.find((other) => other.node === node)?.incarnation ?? null;
    this.#far.set(name, { ref, node, incarnation });
    this.#farEnds.set(ref, name);
    this.#self.watch(ref);
    return ref;
  }

  #lineTo(node: NodeId, channel: number) {
    const { identity, addresses } = this.#host;
    return { self: identity.node, addresses, node, channel, counts: this.#counts };
  }

  #sayOff({ from, channel }: MessageOf<'tunnel' | 'tunnelBeat'>, isBack: boolean, reason: string): void {
    this.#strays += 1;
    const head = { to: from, from: this.#host.identity.node, hops: 1 };
    const off: MessageOf<'tunnelOff'> = { type: 'tunnelOff', ...head, channel, isBack, reason };
    this.#host.addresses.router.tell(off, this.#self.ref);
  }
}

const farName = (node: NodeId, channel: number): string => `${node} ${channel}`;

const IS_REQUEST: ReadonlySet<string> = new Set(Object.keys(forDatabaseRequests(null)));
