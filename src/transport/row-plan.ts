/**
 * The message table in the form in which codecs use it: made once from MESSAGES, row by row. Between the wire and the
 * message object the values of a message lie in slots, head first, then the fields in the order of the row.
 */
import { DROPPABLE, MESSAGES } from './message.js';
import type { AnyField, FieldKind, Info, Message, MessageName, OptionTypes, Row } from './message.js';

export interface OptionPlan {
  readonly name: string;
  readonly kind: keyof OptionTypes;
}

export interface FieldPlan {
  readonly name: string;
  readonly kind: FieldKind | 'options';
  readonly isOptional: boolean;
  /** Nil on the wire means that it is absent. */
  readonly acceptsNil: boolean;
  /** What an absent field becomes. */
  readonly absent: null | typeof NO_OPTIONS;
  /** Names allowed in an options map. */
  readonly options: ReadonlyMap<string, OptionPlan>;
  readonly optionNames: readonly string[];
}

export interface RowPlan {
  readonly name: MessageName;
  readonly tag: number;
  readonly form: Row['form'];
  readonly isIdless: boolean;
  readonly isDroppable: boolean;
  /** Slots before the first field. */
  readonly headCount: number;
  readonly fields: readonly FieldPlan[];
  /** Elements of the array on the wire, the tag included. */
  readonly elementsMin: number;
  readonly elementsMax: number;
  /** Names of head and fields, in the order of the slots. */
  readonly names: readonly string[];
  /** The message whose values lie in `slots` from `base` on. */
  build(slots: readonly unknown[], base: number): Message;
  /** Puts the message's values in `slots` from `base` on. */
  take(message: Message, slots: unknown[], base: number): void;
}

/** Slots of one message. A message within a message takes a second set. */
export const SLOTS = 16;

const SHOWN_NAME_MAX = 64;

/** What an absent options map becomes. */
export const NO_OPTIONS: Readonly<Record<string, never>> = Object.freeze({});

/** Makes a message object of slots, and puts such an object's values in slots. */
interface Shape {
  build(type: string, slots: readonly unknown[], base: number): object;
  take(message: Values, slots: unknown[], base: number): void;
}
type Values = Readonly<Record<string, unknown>>;

/**
 * What `anyShape` does, written out for the lists of names that the hot messages have: an engine makes and reads such
 * objects several times faster. A row whose names aren't here is served by `anyShape`, with the same result.
 */
const SHAPES: Readonly<Record<string, Shape>> = {
  id: {
    build: (type, s, b) => ({ type, id: s[b] }),
    take(message, s, b) {
      s[b] = message['id'];
    },
  },
  'id meta': {
    build: (type, s, b) => ({ type, id: s[b], meta: s[b + 1] }),
    take(message, s, b) {
      s[b] = message['id'];
      s[b + 1] = message['meta'];
    },
  },
  'id meta value': {
    build: (type, s, b) => ({ type, id: s[b], meta: s[b + 1], value: s[b + 2] }),
    take(message, s, b) {
      s[b] = message['id'];
      s[b + 1] = message['meta'];
      s[b + 2] = message['value'];
    },
  },
  'id key options': {
    build: (type, s, b) => ({ type, id: s[b], key: s[b + 1], options: s[b + 2] }),
    take(message, s, b) {
      s[b] = message['id'];
      s[b + 1] = message['key'];
      s[b + 2] = message['options'];
    },
  },
  'id key options value': {
    build: (type, s, b) => ({ type, id: s[b], key: s[b + 1], options: s[b + 2], value: s[b + 3] }),
    take(message, s, b) {
      s[b] = message['id'];
      s[b + 1] = message['key'];
      s[b + 2] = message['options'];
      s[b + 3] = message['value'];
    },
  },
  'to from hops number behind floor incarnation claim passes budgetMs clock message': {
    build: (type, s, b) => ({
      type,
      to: s[b],
      from: s[b + 1],
      hops: s[b + 2],
      number: s[b + 3],
      behind: s[b + 4],
      floor: s[b + 5],
      incarnation: s[b + 6],
      claim: s[b + 7],
      passes: s[b + 8],
      budgetMs: s[b + 9],
      clock: s[b + 10],
      message: s[b + 11],
    }),
    take(message, s, b) {
      s[b] = message['to'];
      s[b + 1] = message['from'];
      s[b + 2] = message['hops'];
      s[b + 3] = message['number'];
      s[b + 4] = message['behind'];
      s[b + 5] = message['floor'];
      s[b + 6] = message['incarnation'];
      s[b + 7] = message['claim'];
      s[b + 8] = message['passes'];
      s[b + 9] = message['budgetMs'];
      s[b + 10] = message['clock'];
      s[b + 11] = message['message'];
    },
  },
  'to from hops number clock message': {
    build: (type, s, b) => ({
      type,
      to: s[b],
      from: s[b + 1],
      hops: s[b + 2],
      number: s[b + 3],
      clock: s[b + 4],
      message: s[b + 5],
    }),
    take(message, s, b) {
      s[b] = message['to'];
      s[b + 1] = message['from'];
      s[b + 2] = message['hops'];
      s[b + 3] = message['number'];
      s[b + 4] = message['clock'];
      s[b + 5] = message['message'];
    },
  },
};

const anyShape = (names: readonly string[]): Shape => ({
  build(type, slots, base) {
    const message: Record<string, unknown> = { type };
    for (let i = 0; i < names.length; i += 1) message[names[i] as string] = slots[base + i];
    return message;
  },
  take(message, slots, base) {
    for (let i = 0; i < names.length; i += 1) slots[base + i] = message[names[i] as string];
  },
});

const HEADS: Readonly<Record<Row['form'], readonly string[]>> = {
  request: ['id'],
  reply: ['id'],
  notice: [],
  routed: ['to', 'from', 'hops'],
};

export const ROW_PLANS: readonly RowPlan[] = Object.entries(MESSAGES).map(([name, row]) =>
  planRow(name as MessageName, row),
);
for (const names of Object.keys(SHAPES)) {
  // A row that has changed would be served by the slow way, and nobody would notice.
  if (!ROW_PLANS.some((plan) => plan.names.join(' ') === names)) throw new Error(`no message has the fields ${names}`);
}
export const PLAN_BY_NAME: ReadonlyMap<string, RowPlan> = new Map(ROW_PLANS.map((plan) => [plan.name, plan]));

/** The options hold nothing that would travel. */
export function isEmpty(options: Info): boolean {
  if (options === NO_OPTIONS) return true;
  for (const name in options) if (options[name] !== undefined) return false;
  return true;
}

/** A name that came in, as it is told back: a refusal is never much longer than what it refuses. */
export const shownName = (name: string): string =>
  name.length <= SHOWN_NAME_MAX ? name : `${name.slice(0, SHOWN_NAME_MAX)}...`;

/** The plans that pass, each at the index that is its tag. */
export function plansByTag(passes: (plan: RowPlan) => boolean): readonly (RowPlan | undefined)[] {
  const plans: (RowPlan | undefined)[] = [];
  for (const plan of ROW_PLANS) if (passes(plan)) plans[plan.tag] = plan;
  return Array.from(plans);
}

function planRow(name: MessageName, row: Row): RowPlan {
  const head = HEADS[row.form];
  const fields = row.fields.map(planField);
  const names = [...head, ...fields.map((field) => field.name)];
  const shape = SHAPES[names.join(' ')] ?? anyShape(names);
  const required = fields.findLastIndex((field) => !field.isOptional) + 1;
  return {
    name,
    tag: row.tag,
    form: row.form,
    isIdless: row.idless,
    isDroppable: DROPPABLE.has(name),
    headCount: head.length,
    fields,
    elementsMin: 1 + head.length + required,
    elementsMax: 1 + head.length + fields.length,
    names,
    build: (slots, base) => shape.build(name, slots, base) as Message,
    take: (message, slots, base) => shape.take(message as unknown as Values, slots, base),
  };
}

function planField(field: AnyField): FieldPlan {
  const isOptions = field.kind === 'options';
  return {
    name: field.name,
    kind: field.kind,
    isOptional: field.optional,
    // Nil is a value like any other: an absent one is left out.
    acceptsNil: isOptions || (field.optional && field.kind !== 'value'),
    absent: isOptions ? NO_OPTIONS : null,
    options: new Map(isOptions ? Object.entries(field.kinds).map(([name, kind]) => [name, { name, kind }]) : []),
    optionNames: isOptions ? Object.keys(field.kinds) : [],
  };
}
