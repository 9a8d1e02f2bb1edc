/**
 * All timers of a runtime: a heap by time, then by order of setting. Cancelling leaves a mark and the heap is swept once
 * marks outnumber the living, so that a million asks answered in time cost no more than they hold. An id carries a
 * generation: that of a timer which is over never names its slot's next timer.
 */
import type { TimerId } from './kind.js';

/** Heads the chain of its timers, so that all of them can be cancelled together. */
export interface TimerOwner {
  timers: Timer | null;
}

export interface Timer {
  id: TimerId;
  readonly slot: number;
  atMs: number;
  order: number;
  owner: TimerOwner | null;
  /** What it is for; the runtime's codes. */
  code: number;
  payload: unknown;
  isInHeap: boolean;
  previous: Timer | null;
  next: Timer | null;
}

export class Timers {
  readonly #heap: Timer[] = [];
  readonly #slots: Timer[] = [];
  readonly #free: Timer[] = [];
  #order = 0;
  #cancelledCount = 0;
  #liveCount = 0;

  /** Timers that are neither over nor cancelled. */
  get liveCount(): number {
    return this.#liveCount;
  }

  set(atMs: number, owner: TimerOwner, code: number, payload: unknown): TimerId {
    const timer = this.#free.pop() ?? this.#newSlot();
    timer.atMs = atMs;
    timer.order = this.#order++;
    timer.owner = owner;
    timer.code = code;
    timer.payload = payload;
    timer.next = owner.timers;
    if (owner.timers !== null) owner.timers.previous = timer;
    owner.timers = timer;
    timer.isInHeap = true;
    this.#liveCount += 1;
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
    return timer.id;
  }

  /** The timer, unless it is over or cancelled. */
  get(id: TimerId): Timer | null {
    const timer = this.#slots[id % slotsMax];
    return timer !== undefined && timer.id === id && timer.owner !== null ? timer : null;
  }

  /** Ends a timer: cancelled before it fired, or served after. */
  end(timer: Timer): void {
    if (timer.owner === null) return;
    if (timer.previous === null) timer.owner.timers = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.owner = timer.previous = timer.next = null;
    timer.payload = null;
    this.#liveCount -= 1;
    if (!timer.isInHeap) return this.#release(timer);
    this.#cancelledCount += 1;
    if (this.#cancelledCount > sweepAt && this.#cancelledCount * 2 > this.#heap.length) this.#sweep();
  }

  /** Takes the next timer that is due from the heap; it is live until `end`. */
  due(nowMs: number): Timer | null {
    const first = this.#first();
    if (first === null || first.atMs > nowMs) return null;
    this.#takeFirst();
    return first;
  }

  nextAtMs(): number | null {
    return this.#first()?.atMs ?? null;
  }

  #first(): Timer | null {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return null;
      if (first.owner !== null) return first;
      this.#takeFirst();
      this.#cancelledCount -= 1;
      this.#release(first);
    }
  }

  #newSlot(): Timer {
    const slot = this.#slots.length;
    if (slot === slotsMax) throw new Error(`more than ${slotsMax} timers`);
    const timer: Timer = {
      id: slotsMax + slot,
      slot,
      atMs: 0.5,
      order: 0,
      owner: null,
      code: 0,
      payload: null,
      isInHeap: false,
      previous: null,
      next: null,
    };
    this.#slots.push(timer);
    return timer;
  }

  #release(timer: Timer): void {
    timer.id += slotsMax;
    this.#free.push(timer);
  }

  #sweep(): void {
    const heap = this.#heap;
    let kept = 0;
    for (const timer of heap) {
      if (timer.owner !== null) heap[kept++] = timer;
      else {
        timer.isInHeap = false;
        this.#release(timer);
      }
    }
    heap.length = kept;
    this.#cancelledCount = 0;
    for (let i = (kept >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Timer;
    const first = heap[0] ?? last;
    first.isInHeap = false;
    if (heap.length === 0) return;
    heap[0] = last;
    this.#down(0);
  }

  #up(index: number): void {
    const heap = this.#heap;
    const timer = heap[index] as Timer;
    let at = index;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1] as Timer;
      if (!isBefore(timer, parent)) break;
      heap[at] = parent;
      at = (at - 1) >> 1;
    }
    heap[at] = timer;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const timer = heap[index] as Timer;
    let at = index;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
      if (!isBefore(heap[child] as Timer, timer)) break;
      heap[at] = heap[child] as Timer;
      at = child;
    }
    heap[at] = timer;
  }
}

const slotsMax = 2 ** 22;
const sweepAt = 64;

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
