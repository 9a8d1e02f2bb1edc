/**
 * What a type of replicated objects is: how ops become a state, how states are joined, what users see. Each type is one
 * file with its laws tested: concurrent ops commute, ops and joins are idempotent, and the join of two states is the state
 * of the union of their ops (RULES RH). The version vector of an object is kept beside its body, by object-state.ts, for
 * all types alike: `apply` is called once for each op, in an order that keeps that of each origin. No other order may
 * matter, even for ops that name what nobody has written yet.
 */
import type { NodeId } from '../node-id.js';
import type { Stamp } from '../stamp.js';

/** Encoded MessagePack: an op's payload, or a body. Lent for the call. */
export type Bytes = Uint8Array;

/** Origin => time of the last op of that origin that a state includes. */
export type Vector = ReadonlyMap<string, number>;

/**
 * Rewrites the payloads of one author's ops on one object that get other stamps, one after the other in their order, each
 * with the words that it has about those before it. `renamed`: by which stamps to name, instead of one of those, all that
 * its origin had written up to it; for another op's stamp that one.
 */
export type Rewriting = (payload: Bytes, renamed: (stamp: Stamp) => readonly Stamp[]) => Bytes;

/** Of a type whose payloads don't name what came before them. */
export const NO_REWRITING: Rewriting = (payload) => payload;

/**
 * `Payloads`: functions that make an op's payload, for those who write: of plain values, or of the body that the author
 * sees. They throw TypeError or RangeError for what the type or MessagePack has no place for.
 */
export interface ReplicatedType<Body, View, Payloads> {
  /** Part of each op and of each object's name, such as `lww`. */
  readonly name: string;
  readonly payloads: Payloads;
  create(): Body;
  /** Why a payload is none of this type; null if it is. Ops that pass can be applied to any body. */
  objectionTo(payload: Bytes): string | null;
  /** Whether `objectionToWriting` asks for more than the payload: who is to ask it needs the body only then. */
  readonly asksForBody: boolean;
  /**
   * Why a payload that passes `objectionTo` is none for an op of that stamp, where what it follows from has been applied:
   * null if it may be. Asked where an op is first stored, and nowhere later: all others have what was there, too.
   */
  objectionToWriting(body: Body, stamp: Stamp, payload: Bytes): string | null;
  /** For ops that wait, and are to be written by `next`, or under other stamps. `body` includes them. */
  rewriting(body: Body, next: NodeId): Rewriting;
  /** Runs `work`, which applies many ops to that body: as one change, where that is cheaper. */
  together(body: Body, work: () => void): void;
  /** Changes the body in place. `vector`: what it includes, without this op. */
  apply(body: Body, vector: Vector, stamp: Stamp, payload: Bytes): void;
  /**
   * Changes `body` to the union of both; `other` stays as it is. The vectors say which ops each side has seen: what one
   * side lacks though it has seen it was removed there.
   */
  join(body: Body, vector: Vector, other: Body, otherVector: Vector): void;
  /** Canonical: the same bytes for the same set of ops, in whatever order they came (R5). */
  encode(body: Body): Bytes;
  /** Null if the bytes are no body. That they are canonical is for the caller to compare, by `encode`. */
  decode(bytes: Bytes): Body | null;
  /** What users see: plain values, a new one for each call, frozen. */
  view(body: Body): View;
}

/** A type of which no more is known. */
export type AnyType = ReplicatedType<unknown, unknown, unknown>;
