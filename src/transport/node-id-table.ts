/**
 * Node ids between their text and the halves of their 64-bit number on the wire. The ids last seen are remembered in
 * tables of fixed size, so that a known id costs neither a conversion nor an allocation.
 */
import { decodeBase64x64, encodeBase64x64 } from '../store/base64x64.js';
import type { NodeId } from '../store/node-id.js';

/** A power of two: the place of an id is taken from its bits. */
const PLACES = 4096;
/** 60 of the 64 bits are used. */
const UPPER_LIMIT = 2 ** 28;

interface Halves {
  readonly upper32: number;
  readonly lower32: number;
}

const uppers = new Uint32Array(PLACES);
const lowers = new Uint32Array(PLACES);
const texts: (NodeId | null)[] = Array.from({ length: PLACES }, () => null);
const halves = new Map<NodeId, Halves>();

/** The text of an id on the wire, or null for a number of more than 60 bits. */
export function nodeIdText(upper32: number, lower32: number): NodeId | null {
  // Short texts end in zero bits, hence the fold.
  const place = (upper32 ^ (upper32 >>> 14) ^ lower32 ^ (lower32 >>> 16)) & (PLACES - 1);
  const known = texts[place];
  if (known !== null && known !== undefined && uppers[place] === upper32 && lowers[place] === lower32) return known;
  if (upper32 >= UPPER_LIMIT) return null;
  const text = encodeBase64x64(upper32 * 4 + (lower32 >>> 30), lower32 & 0x3fff_ffff) as NodeId;
  uppers[place] = upper32;
  lowers[place] = lower32;
  texts[place] = text;
  return text;
}

/** What travels for an id. Throws RangeError if it is no Base64x64. */
export function nodeIdHalves(id: NodeId): Halves {
  const known = halves.get(id);
  if (known !== undefined) return known;
  const parts = decodeBase64x64(id);
  if (parts === null) throw new RangeError(`${id} is no node id`);
  const made = { upper32: parts.hi >>> 2, lower32: (((parts.hi & 3) << 30) | parts.lo) >>> 0 };
  if (halves.size >= PLACES) halves.clear();
  halves.set(id, made);
  return made;
}
