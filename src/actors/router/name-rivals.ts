/**
 * Other nodes with the name of this one: of two with one name the younger start gives way, once the other is no mere
 * memory. A part of the router, not an actor of its own.
 */
import type { NodeId } from '../../store/node-id.js';
import type { Topology } from '../../store/topology.js';
import type { Addresses } from '../addresses.js';
import type { NameTaken, RouterMessage } from '../message.js';
import type { Self } from '../runtime/kind.js';
import type { Settings } from '../settings.js';

export class NameRivals {
  readonly #self: Self<RouterMessage>;
  readonly #settings: Settings;
  readonly #addresses: Addresses;
  readonly #topology: Topology;
  /** Since when there has been one to which this node gives way. */
  #sinceMs: number | null = null;
  /** The log was told of it. */
  #told: NodeId | null = null;

  constructor(self: Self<RouterMessage>, settings: Settings, addresses: Addresses, topology: Topology) {
    this.#self = self;
    this.#settings = settings;
    this.#addresses = addresses;
    this.#topology = topology;
  }

  check(nowMs: number): void {
    const { node, incarnation, name } = this.#topology.own;
    const rivals = this.#topology.nameRivals();
    const rival = rivals.find(
      ({ state }) => state.incarnation < incarnation || (state.incarnation === incarnation && state.node < node),
    );
    const other = rival ?? rivals[0];
    if (other !== undefined && other.state.node !== this.#told) {
      const text =
        rival === undefined
          ? `a younger node has the name ${name} too: it stops unless this one goes`
          : `an older node has the name ${name} too: this one stops unless that one goes`;
      this.#self.log('warn', text, { node: other.state.node });
    }
    this.#told = other?.state.node ?? null;
    if (rival === undefined) {
      this.#sinceMs = null;
      return;
    }
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < 2 * this.#settings.heartbeatTimeoutMs) return;
    this.#addresses.node.tell({ type: 'nameTaken', by: rival.state.node } satisfies NameTaken, this.#self.ref);
  }
}
