/**
 * What a supervisor and its workers say to each other, each over the channel that comes with the process. A worker that
 * finds the channel closed has lost its supervisor, however that ended.
 */
import type { NodeOptions } from '../../node.js';
import type { LogLevelOption } from '../node-options.js';

/** From the supervisor. */
export type Order =
  | { readonly type: 'start'; readonly options: NodeOptions; readonly logLevel: LogLevelOption }
  /** Leave in order, and stay to relay for the others until `go`. */
  | { readonly type: 'stop'; readonly because: string }
  | { readonly type: 'go' };

/** From a worker. */
export type Report =
  | { readonly type: 'listening' }
  | { readonly type: 'serving' }
  /** It leaves, and has handed over what it could. */
  | { readonly type: 'emptied' }
  | { readonly type: 'ended'; readonly reason: string; readonly exitCode: number };

/** A worker, to its supervisor. */
export interface WorkerProcess {
  readonly pid: number;
  tell(order: Order): void;
  /** Ends it at once. */
  kill(): void;
}

export interface WorkerEvents {
  onReport(report: Report): void;
  /** Last, and once: how the process ended, as the rest of a sentence. */
  onEnd(how: string): void;
}

/** The supervisor, to a worker. */
export interface SupervisorLine {
  /** Calls back for each order, also for those that came before. */
  onOrder(handler: (order: Order) => void): void;
  /** The supervisor is gone without a word. */
  readonly gone: Promise<void>;
  /** Resolves when the report is on its way. */
  tell(report: Report): Promise<void>;
  /** From now on the channel keeps the process no longer. */
  leave(): void;
}
