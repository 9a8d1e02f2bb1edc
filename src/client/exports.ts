/** What the client offers in Node and in browsers alike. */
export type { Client } from './client.js';
export type {
  CallOptions,
  ClientStatus,
  ConnectOptions,
  CreateOptions,
  DeleteOptions,
  IncrOptions,
  ScanOptions,
  SetOptions,
  StatusChange,
} from './client-options.js';
export type { Outcome } from './outcome.js';
export type { Entry, KeyPage, Location, NodeName, Trace } from './call.js';
export { SwarmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type { SocketConstructor, SocketLike } from './socket.js';
export type { Timers } from './timers.js';
export type { Change, Watch, WatchOptions } from './watch.js';
export type { Collection } from './database/collection.js';
export type { Database, DatabaseOptions } from './database/database.js';
export type { DatabaseLog, LogEntry, LoggedOp, LoggedState, LogOptions, LogSource } from './database/log.js';
export { counter } from './database/kinds/counter.js';
export type { CounterWriters } from './database/kinds/counter.js';
export { lww } from './database/kinds/lww.js';
export type { LwwWriters } from './database/kinds/lww.js';
export { set } from './database/kinds/set.js';
export type { SetWriters } from './database/kinds/set.js';
export type { ObjectKind } from './database/object-kind.js';
export type { ObjectHandle } from './database/replicated-object.js';
export type { SyncStatus } from './database/sync.js';
export { memoryStorage } from './storage/memory.js';
export type { ReplicaStorage } from './storage/storage.js';
