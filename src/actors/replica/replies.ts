/** What a replica says to sessions, and to the databases of its node: which of their ids it knows no longer. */
import { refused } from '../../transport/message.js';
import type { DatabaseReply, RefusalCode, RequestId } from '../../transport/message.js';
import type { DatabaseNotice, Released, ReplicaMessage } from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';

export class Replies {
  readonly #self: Self<ReplicaMessage>;
  readonly #databases: Ref;

  constructor(self: Self<ReplicaMessage>, databases: Ref) {
    this.#self = self;
    this.#databases = databases;
  }

  /** A notice is no answer to a request: the session is told so. */
  tell(session: Ref, reply: DatabaseReply, isNotice: boolean): void {
    if (isNotice) session.tell({ type: 'databaseNotice', notice: reply } satisfies DatabaseNotice, this.#self.ref);
    else session.tell(reply, this.#self.ref);
  }

  refuse(
    session: Ref,
    id: RequestId,
    code: RefusalCode,
    text: string,
    info: Readonly<Record<string, unknown>> | null = null,
  ): void {
    session.tell(refused(id, code, text, info), this.#self.ref);
  }

  refuseScope(session: Ref, id: RequestId): void {
    this.refuse(session, id, 'FORBIDDEN', 'nothing is open under that id', { name: 'wrong scope' });
  }

  release(session: Ref, ids: readonly RequestId[]): void {
    this.#databases.tell({ type: 'released', session, ids } satisfies Released, this.#self.ref);
  }
}
