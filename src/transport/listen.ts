/** Which listener a node uses: uWebSockets.js where it loads, otherwise `ws`; or the one that was asked for. */
import type { Listen } from './link.js';
import { listenUws, loadUws } from './listen-uws.js';
import { listenWs } from './listen-ws.js';

export type ListenerKind = 'uws' | 'ws';

/** With null, takes the first one that loads; why that is not uWebSockets.js is then in `Listener.fallbackReason`. */
export function createListen(which: ListenerKind | null): Listen {
  if (which === 'uws') return listenUws;
  if (which === 'ws') return listenWs;
  return (options, accept, answer, listening, failed) => {
    loadUws(
      () => listenUws(options, accept, answer, listening, failed),
      (fallbackReason) => {
        // A node that was to share its port must hear why it can't.
        const fail = (reason: string): void => failed(options.isShared ? `${fallbackReason}; ${reason}` : reason);
        listenWs(options, accept, answer, (listener) => listening({ ...listener, fallbackReason }), fail);
      },
    );
  };
}
