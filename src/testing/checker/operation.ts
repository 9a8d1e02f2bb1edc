/**
 * What clients asked and what came back, recorded where they are: the only evidence that checkers of the contract may
 * use. Times are those of the clients, in ms of one clock.
 */
export interface Operation {
  /** Unique in the history and above 0; a `set` writes it as its value. */
  readonly number: number;
  /** A connection of a client; after a reconnect it is another one. Numbers rise in the order in which it asked. */
  readonly session: number;
  /** The node that was asked. */
  readonly node: number;
  readonly key: string;
  readonly kind: 'get' | 'set' | 'delete' | 'touch' | 'incr';
  /** Of a `set`: the condition, if it has one. */
  readonly condition: 'absent' | 'present' | null;
  /** Of `set` and `touch`: ms, 0 if the entry does not expire. */
  readonly ttlMs: number;
  /** Of `incr`. */
  readonly by: number;
  readonly invokedMs: number;
  /** When the first reply came; infinite if none did. */
  returnedMs: number;
  outcome: Outcome;
  replyCount: number;
}

export type Outcome =
  /** No reply yet. */
  | { readonly type: 'open' }
  /** The connection was lost before a reply came. */
  | { readonly type: 'lost' }
  | { readonly type: 'value'; readonly value: number }
  | { readonly type: 'missing' }
  /** `time`: of its stamp, where it was asked for. */
  | { readonly type: 'stored'; readonly time?: number }
  | { readonly type: 'deleted'; readonly existed: boolean }
  | { readonly type: 'refused'; readonly code: string };

/** Refusals that say what the state was: an answer like any other. */
const TELLING = new Set(['CONFLICT', 'TYPE']);
/** Refusals that leave open whether the request took effect. */
const OPEN_ENDED = new Set(['UNKNOWN', 'TIMEOUT']);

/** The reply tells whether and how the request took effect. */
export const isAnswered = ({ outcome }: Operation): boolean =>
  outcome.type === 'refused' ? TELLING.has(outcome.code) : outcome.type !== 'open' && outcome.type !== 'lost';

/** Nobody told what became of it: it took effect once, at some time after it was asked, or never. */
export const isUncertain = ({ kind, outcome }: Operation): boolean =>
  kind !== 'get' &&
  (outcome.type === 'refused' ? OPEN_ENDED.has(outcome.code) : outcome.type === 'open' || outcome.type === 'lost');

/** One line for people. */
export const showOperation = (operation: Operation): string => {
  const { number, session, node, key, kind, condition, ttlMs, by, invokedMs, returnedMs, outcome } = operation;
  const details = [
    kind === 'set' ? `= ${number}` : kind === 'incr' ? `by ${by}` : '',
    condition === null ? '' : `if ${condition}`,
    ttlMs === 0 ? '' : `for ${ttlMs} ms`,
  ].filter((detail) => detail !== '');
  const result =
    outcome.type === 'value'
      ? String(outcome.value)
      : outcome.type === 'deleted'
        ? `deleted ${outcome.existed}`
        : outcome.type === 'refused'
          ? outcome.code
          : outcome.type;
  const time = `${invokedMs.toFixed(1)}..${returnedMs === Infinity ? '' : returnedMs.toFixed(1)}`;
  return `${time} s${session} n${node} ${[`${kind} ${key}`, ...details].join(' ')} -> ${result}`;
};
