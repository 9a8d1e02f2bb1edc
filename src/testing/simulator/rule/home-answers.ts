/**
 * What a home may say under which views: it grants a claim only to a member that has registered under the pair that the
 * claim names, which is the present one (RULES O2); and that nobody owns a key, only while all members of its view are
 * registered so (O1). Shadows of what each directory was told and said decide, not its own state.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { Members, Renumbered } from '../../../actors/message.js';
import { samePair } from '../../../actors/pair.js';
import type { Pair } from '../../../actors/pair.js';
import { textOf } from '../../../store/key-hash.js';
import type { NodeId } from '../../../store/node-id.js';
import { decodeBuckets, decodePassing } from '../../../store/statement.js';
import type { MessageOf } from '../../../transport/message.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Seen {
  readonly incarnation: number;
  readonly view: number;
}

interface Home {
  incarnation: number;
  view: number;
  /** Replaced by every change, so that a question keeps those of its time. */
  members: ReadonlyMap<NodeId, Seen>;
  /** The last pair that was confirmed to each member. */
  readonly registered: Map<NodeId, Pair>;
  /** Questions that were asked and not answered, by asker and number, with the view in which they came. */
  readonly asked: Map<string, Question[]>;
  /** What was granted, stated or handed over to whom before: it is granted again to who asks again. */
  readonly granted: Set<string>;
}

interface Question {
  readonly message: MessageOf<'lookup' | 'seek'>;
  readonly incarnation: number;
  readonly view: number;
  readonly members: ReadonlyMap<NodeId, Seen>;
}

export class HomeAnswers implements RuleWatch {
  readonly invariant = 'homes answer under their present pairs';
  readonly types = ['members', 'renumbered', 'entries', 'transfer', 'lookup', 'seek', 'registered', 'place', 'forward'];
  readonly #homes = new Map<number, Home>();
  readonly #found: string[] = [];

  onStart(node: number): void {
    const fresh = { incarnation: 0, view: 0, members: new Map(), registered: new Map() };
    this.#homes.set(node, { ...fresh, asked: new Map(), granted: new Set() });
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop): void {
    const home = this.#homes.get(node);
    if (home === undefined) return;
    if (to === ACTOR.directory) {
      if (type === 'members') onMembers(home, message as unknown as Members);
      else if (type === 'renumbered') onRenumbered(home, message as unknown as Renumbered);
      else if (type === 'entries') onEntries(home, message as MessageOf<'entries'>);
      else if (type === 'transfer') onTransfer(home, message as MessageOf<'transfer'>);
      else if (type === 'lookup' || type === 'seek') onQuestion(home, message as MessageOf<'lookup' | 'seek'>);
    } else if (to === ACTOR.router && from === ACTOR.directory) {
      if (type === 'registered') onRegistered(home, message as MessageOf<'registered'>);
      else if (type === 'place') this.#onPlace(node, home, message as MessageOf<'place'>, atMs);
      else if (type === 'forward') takeQuestion(home, message as MessageOf<'forward'>, 'seek');
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #onPlace(node: number, home: Home, { to, number, outcome, hash }: MessageOf<'place'>, atMs: number): void {
    const question = takeQuestion(home, { from: to, number }, null);
    if (question === null) return;
    const { message, members } = question;
    const isNew = !home.granted.has(claimOf(to, hash));
    if (outcome === 'granted') {
      home.granted.add(claimOf(to, hash));
      const confirmed = home.registered.get(to);
      if (confirmed === undefined || !samePair(confirmed, message) || !isPresent(confirmed, to, question)) {
        this.#found.push(
          `n${node} granted a claim at ${atMs.toFixed(1)} to ${to}, under another pair than the present`,
        );
      }
    }
    const saysNobody = outcome === 'absent' || (outcome === 'granted' && isNew && !isSearched(message));
    if (!saysNobody) return;
    for (const member of members.keys()) {
      const confirmed = home.registered.get(member);
      if (confirmed !== undefined && isPresent(confirmed, member, question)) continue;
      this.#found.push(`n${node} said at ${atMs.toFixed(1)} that nobody owns a key, and ${member} has not registered`);
      return;
    }
  }
}

const claimOf = (owner: NodeId, hash: Uint8Array): string => `${owner} ${textOf(hash)}`;

const onEntries = (home: Home, { from, keys }: MessageOf<'entries'>): void => {
  for (const { keys: stated } of decodeBuckets(keys) ?? [])
    for (const { hash } of stated) home.granted.add(claimOf(from, hash));
};

const onTransfer = (home: Home, { from, keys }: MessageOf<'transfer'>): void => {
  for (const { hash } of decodePassing(keys) ?? []) home.granted.add(claimOf(from, hash));
};

const isSearched = (message: MessageOf<'lookup' | 'seek'>): boolean => message.type === 'lookup' && message.isSearched;

/** The pair is that of the home's view when it was asked, and not older than what the home knew of the member then. */
const isPresent = (pair: Pair, member: NodeId, { incarnation, view, members }: Question): boolean => {
  const seen = members.get(member);
  if (seen === undefined) return false;
  const isOfHome = pair.homeIncarnation === incarnation && pair.homeView === view;
  return isOfHome && pair.incarnation === seen.incarnation && pair.view >= seen.view;
};

const onMembers = (home: Home, { view, incarnation, members }: Members): void => {
  home.view = view;
  home.incarnation = incarnation;
  const former = home.members;
  home.members = new Map(
    members.map((member) => {
      const known = former.get(member.node);
      const isSame = known?.incarnation === member.incarnation;
      return [
        member.node,
        { incarnation: member.incarnation, view: isSame ? Math.max(known.view, member.view) : member.view },
      ];
    }),
  );
};

const onRenumbered = (home: Home, { node, view }: Renumbered): void => {
  const known = home.members.get(node);
  if (known === undefined) return;
  home.members = new Map(home.members).set(node, { ...known, view: Math.max(known.view, view) });
};

const onQuestion = (home: Home, message: MessageOf<'lookup' | 'seek'>): void => {
  const name = `${message.from} ${message.number}`;
  const { incarnation, view, members } = home;
  const questions = home.asked.get(name) ?? [];
  questions.push({ message, incarnation, view, members });
  home.asked.set(name, questions);
};

const onRegistered = (home: Home, message: MessageOf<'registered'>): void => {
  const { homeIncarnation, homeView, incarnation, view } = message;
  home.registered.set(message.to, { homeIncarnation, homeView, incarnation, view });
};

/** A read that is handed on has a number of its own: all that its sender has asked by reads is as good. */
const takeQuestion = (
  home: Home,
  { from, number }: { readonly from: NodeId; readonly number: number },
  handed: 'seek' | null,
): Question | null => {
  if (handed === null) {
    const questions = home.asked.get(`${from} ${number}`);
    const question = questions?.shift() ?? null;
    // Reads that are handed on are looked for among all that is open.
    if (questions?.length === 0) home.asked.delete(`${from} ${number}`);
    return question;
  }
  for (const [name, questions] of home.asked) {
    const at = questions.findIndex(({ message }) => {
      return message.type === 'seek' && message.from === from && message.read === number;
    });
    if (at < 0) continue;
    questions.splice(at, 1);
    if (questions.length === 0) home.asked.delete(name);
    return null;
  }
  return null;
};
