/** What a database is, from its creation on. */
import { parseScheme } from '../store/replica-id.js';
import type { Scheme } from '../store/replica-id.js';
import { typeNamed } from '../store/types/index.js';
import type { Info, MessageOf } from '../transport/message.js';

/** Fixed at creation; the same at all its peers. */
export interface DatabaseOptions {
  /** How replica ids are divided: see store/replica-id.ts. */
  readonly scheme: string;
  /** The same client may be known under several peers. */
  readonly isShared: boolean;
  /** Ops are acknowledged before they are on disk. */
  readonly isRelaxed: boolean;
  /** Types of objects that it may hold, in order; none: all that there are. */
  readonly types: readonly string[];
  /** Ops older than that are kept within the states of their objects only; 0: all are kept as they are. */
  readonly compactAfterMs: number;
}

type Asked = MessageOf<'createDatabase'>['options'];

export const DEFAULT_OPTIONS: DatabaseOptions = {
  scheme: '0262',
  isShared: false,
  isRelaxed: false,
  types: [],
  compactAfterMs: 7 * 24 * 60 * 60 * 1000,
};

const TYPES_MAX = 64;
const DRAWS_MAX = 10_000;

/** Why a database can't be made so; null if it can. */
export function objectionToOptions({ scheme, types, compactAfterMs }: Asked): string | null {
  if (scheme !== undefined && parseScheme(scheme) === null) {
    return 'scheme: four digits that add up to 10 are expected: lengths of primus, peer, client and session';
  }
  const unknown = types === undefined ? undefined : typesOf(types).find((name) => typeNamed(name) === null);
  if (unknown !== undefined) return `types: ${unknown.slice(0, 32)} is no type that this node knows`;
  if (compactAfterMs !== undefined && compactAfterMs < 0) return 'compactAfterMs must not be below 0';
  return null;
}

/** What is asked for, beside what is so already. */
export const optionsOf = (asked: Asked, others: DatabaseOptions = DEFAULT_OPTIONS): DatabaseOptions => ({
  scheme: asked.scheme ?? others.scheme,
  isShared: asked.shared ?? others.isShared,
  isRelaxed: asked.relaxed ?? others.isRelaxed,
  types: asked.types === undefined ? others.types : typesOf(asked.types),
  compactAfterMs: asked.compactAfterMs ?? others.compactAfterMs,
});

/** The options in a map of another node, or in a record; null if they are none. */
export function parseOptions(info: Info): DatabaseOptions | null {
  const { scheme, isShared, isRelaxed, types, compactAfterMs } = info;
  if (typeof scheme !== 'string' || parseScheme(scheme) === null) return null;
  if (typeof isShared !== 'boolean' || typeof isRelaxed !== 'boolean') return null;
  if (!Number.isSafeInteger(compactAfterMs) || (compactAfterMs as number) < 0) return null;
  if (!Array.isArray(types) || types.length > TYPES_MAX) return null;
  if (!types.every((name): name is string => typeof name === 'string')) return null;
  return { scheme, isShared, isRelaxed, types, compactAfterMs: compactAfterMs as number };
}

export const isSame = (a: DatabaseOptions, b: DatabaseOptions): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Why a peer of the database can't have that id; null if it can. */
export function objectionToPeer(peer: string, options: DatabaseOptions): string | null {
  const scheme = parseScheme(options.scheme) as Scheme;
  const id = scheme.parse(peer);
  return id !== null && scheme.isPeer(id) ? null : `no peer of the scheme ${options.scheme} has that id`;
}

/** A peer id that nobody has; null if none was found. */
export function drawPeer(
  options: DatabaseOptions,
  taken: ReadonlySet<string>,
  random: { below(limit: number): number },
): string | null {
  const scheme = parseScheme(options.scheme) as Scheme;
  const count = scheme.countOf('peer');
  for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
    const peer = scheme.chunkOf('peer', 1 + random.below(Math.min(count, 2 ** 31)));
    // A primus of its own for each peer, until primuses admit peers.
    const primus =
      scheme.widthOf('primus') === 0 ? '' : scheme.chunkOf('primus', 1 + random.below(scheme.countOf('primus')));
    // Ids that begin with ~ stand for no one.
    if (`${primus}${peer}`.startsWith('~')) continue;
    const id = scheme.compose({ primus, peer });
    if (!taken.has(id)) return id;
  }
  return null;
}

const typesOf = (text: string): readonly string[] =>
  [...new Set(text.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()])))].toSorted();
